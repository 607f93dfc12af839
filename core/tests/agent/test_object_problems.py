"""Bad NADs and IPPools are shown although nobody uses them."""

import json
from typing import Any

from secnet.agent.object_problems import ObjectProblems
from secnet.agent.registry import Registry

REGISTRY = Registry.load()


def _nad(config: Any, name: str = "blue") -> dict[str, Any]:
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"config": json.dumps(config)},
    }


def _pool(prefix: int, name: str = "pool") -> dict[str, Any]:
    spec = {"ipRanges": [{"cidr": "10.0.0.0/24"}], "subnetInfo": {"gateway": "10.0.0.1", "prefixLength": prefix}}
    return {"apiVersion": "crd.antrea.io/v1beta1", "kind": "IPPool", "metadata": {"name": name}, "spec": spec}


def _bad_nad() -> dict[str, Any]:
    return _nad({"cniVersion": "0.3.0", "type": "antrea", "networkType": "vlan", "vlan": 4095})


def test_what_is_wrong_names_object_path_and_remedy() -> None:
    seen = ObjectProblems(REGISTRY)
    seen.update(_bad_nad())
    seen.update(_pool(40))
    first, second = seen.problems()
    assert first.source == "NetworkAttachmentDefinition default/blue"
    assert first.message.startswith("$.vlan: ")
    assert first.hint
    assert (second.source, second.message.split(":")[0]) == ("IPPool pool", "$.spec.subnetInfo.prefixLength")


def test_good_and_foreign_objects_are_no_problem() -> None:
    seen = ObjectProblems(REGISTRY)
    seen.update(_nad({"cniVersion": "0.3.0", "type": "antrea", "networkType": "vlan"}))
    seen.update(_nad({"type": "bridge", "vlan": 4095}, "other"))
    seen.update(_pool(24))
    assert seen.problems() == ()


def test_a_problem_goes_with_its_mending_or_its_object() -> None:
    seen = ObjectProblems(REGISTRY)
    seen.update(_bad_nad())
    since = seen.problems()[0].since
    seen.update(_pool(40))
    assert seen.problems()[0].since == since
    seen.update(_nad({"cniVersion": "0.3.0", "type": "antrea", "networkType": "vlan"}))
    seen.remove(_pool(40))
    assert seen.problems() == ()
