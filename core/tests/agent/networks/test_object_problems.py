"""Bad NADs and IPPools are shown although no one uses them."""

import json
from typing import Any

import pytest
from secnet.agent.model.problem import InternalError
from secnet.agent.networks.nad import parse_nad
from secnet.agent.networks.nad_cache import NadCache
from secnet.agent.networks.object_problems import ObjectProblems
from secnet.agent.plugins.registry import Registry
from secnet.contract import NetworkRef

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


class Broken:
    """A registry that fails for one network type. A stand-in, as no known NAD makes the real one fail."""

    backends = REGISTRY.backends

    @property
    def drivers(self) -> Any:
        class Drivers(dict[str, Any]):
            def get(self, key: str, default: Any = None) -> Any:
                if key == "vlan":
                    raise RecursionError("too deep")
                return REGISTRY.drivers.get(key, default)

        return Drivers(REGISTRY.drivers)

    def __getattr__(self, name: str) -> Any:
        return getattr(REGISTRY, name)


def test_a_fault_of_ours_for_one_nad_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    seen = ObjectProblems(Broken())  # type: ignore[arg-type]
    seen.update(_bad_nad())
    seen.update(_nad({"cniVersion": "0.3.0", "type": "antrea", "networkType": "nonsense"}, "other"))
    messages = {problem.source: problem.message for problem in seen.problems()}
    assert messages["NetworkAttachmentDefinition default/blue"] == "RecursionError: too deep"
    assert messages["NetworkAttachmentDefinition default/other"].startswith("$.networkType")
    assert seen.problems() is seen.problems(), "it is looked at once, not at each look"
    assert "Traceback" not in caplog.text


def test_a_nad_is_parsed_once_until_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser is watched: how often it works shows in nothing but time."""
    parsed: list[str] = []

    def watched(nad: Any, *rest: Any) -> Any:
        parsed.append(nad["metadata"]["name"])
        return parse_nad(nad, *rest)

    monkeypatch.setattr("secnet.agent.networks.object_problems.parse_nad", watched)
    seen = ObjectProblems(REGISTRY)
    good = {"cniVersion": "0.3.0", "type": "antrea", "networkType": "vlan"}
    for nad in (_bad_nad(), _nad(good, "other")):
        seen.update(nad)
    assert len(seen.problems()) == 1
    seen.update(_pool(40))
    seen.update(_nad(good, "other"))
    assert (len(seen.problems()), parsed) == (2, ["blue", "other"])
    seen.update(_nad(good | {"vlan": 4095}, "other"))
    assert (len(seen.problems()), parsed) == (3, ["blue", "other", "other"])
    annotated = _nad(good, "blue")
    seen.update(annotated)
    annotated = _nad(good, "blue")
    annotated["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/resourceName": "x.test/nic"}
    seen.update(annotated)
    assert (len(seen.problems()), parsed[3:]) == (2, ["blue"])
    seen.remove(_nad(good, "other"))
    seen.update(_nad(good, "other"))
    assert (len(seen.problems()), parsed[4:]) == (1, ["other"])


def test_a_fault_of_ours_is_an_error_of_the_nad_alone(caplog: pytest.LogCaptureFixture) -> None:
    nads = NadCache(Broken())  # type: ignore[arg-type]
    nads.update(_bad_nad())
    for _ in range(2):
        with pytest.raises(InternalError, match="default/blue: RecursionError"):
            nads.look_up(NetworkRef(namespace="default", name="blue"))
    assert len(caplog.records) == 1


def test_nesting_without_end_is_a_problem_with_its_place() -> None:
    seen = ObjectProblems(REGISTRY)
    deep = _nad({})
    deep["spec"]["config"] = '{"type": "antrea", "networkType": "vlan", "bridge": ' + "[" * 600 + "]" * 600 + "}"
    seen.update(deep)
    (problem,) = seen.problems()
    assert problem.message.startswith("$.spec.config: invalid JSON: more than 64 levels")
    assert "$.bridge[0]" in problem.message


def test_good_and_foreign_objects_are_no_problem() -> None:
    seen = ObjectProblems(REGISTRY)
    seen.update(_nad({"cniVersion": "0.3.0", "type": "antrea", "networkType": "vlan"}))
    seen.update(_nad({"type": "bridge", "vlan": 4095}, "other"))
    seen.update(_pool(24))
    assert seen.problems() == ()


def test_a_problem_goes_with_its_repair_or_its_object() -> None:
    seen = ObjectProblems(REGISTRY)
    seen.update(_bad_nad())
    since = seen.problems()[0].since
    seen.update(_pool(40))
    assert seen.problems()[0].since == since
    seen.update(_nad({"cniVersion": "0.3.0", "type": "antrea", "networkType": "vlan"}))
    seen.remove(_pool(40))
    assert seen.problems() == ()
