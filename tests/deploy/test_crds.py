"""The CustomResourceDefinitions of deploy/crds: what they take and what they refuse."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from secnet.agent.cluster.files.cluster import load_manifests
from secnet.agent.cluster.kinds import KINDS
from secnet_ipam.validation import validate_pool
from secnet_testing.crds import Definition, rules_of
from secnet_testing.documents import ROOT
from secnet_testing.kubeapi.admin import Rejected
from secnet_testing.kubeapi.api_server import ApiServer
from secnet_testing.kubeapi.real import RealApi

CRDS = ROOT / "deploy/crds"
EXAMPLES = ROOT / "examples"
BY_KIND = {found.kind: found for found in map(Definition, sorted(CRDS.glob("[!k]*.yaml")))}
POOLS, NODES = BY_KIND["IPPool"], BY_KIND["AntreaNodeConfig"]


def pool(
    *ranges: dict[str, Any], gateway: Any = "10.1.0.1", length: Any = 24, vlan: Any = None, name: str = "p"
) -> dict[str, Any]:
    info = {"gateway": gateway, "prefixLength": length} | ({} if vlan is None else {"vlan": vlan})
    spec = {"ipRanges": list(ranges or [{"cidr": "10.1.0.0/24"}]), "subnetInfo": info}
    return {"apiVersion": "crd.antrea.io/v1beta1", "kind": "IPPool", "metadata": {"name": name}, "spec": spec}


def span(start: str, end: str) -> dict[str, Any]:
    return {"start": start, "end": end}


def config(*bridges: dict[str, Any]) -> dict[str, Any]:
    spec = {"nodeSelector": {"matchLabels": {"a": "b"}}, "secondaryNetwork": {"ovsBridges": list(bridges)}}
    return {"apiVersion": "crd.antrea.io/v1alpha1", "kind": "AntreaNodeConfig", "metadata": {"name": "c"}, "spec": spec}


# Shapes that are in use with Antrea: its documents and its own tests.
GOOD_POOLS = [
    pool(),
    pool({"cidr": "148.14.24.0/24"}, gateway="148.14.24.1"),
    pool(span("148.14.25.111", "148.14.25.123"), gateway="148.14.25.1"),
    pool({"cidr": "148.14.26.0/24"}, gateway="148.14.26.1", vlan=300),
    pool({"cidr": "10:2400:1::0/96"}, gateway="10:2400:1::1", length=64),
    pool({"cidr": "10:2400::0/96"}, gateway="10:2400::1", length=64, vlan=0),
    pool({"cidr": "192.168.3.192/26"}, gateway="192.168.3.1"),
    pool(span("192.168.78.200", "192.168.78.250"), gateway="192.168.78.1"),
    pool({"cidr": "10.1.0.0/26"}, span("10.1.0.100", "10.1.0.100"), gateway="10.1.0.254"),
    pool(span("10.1.0.9", "10.1.0.10")),
    pool(span("10.1.1.250", "10.1.2.3"), length=16),
    pool(span("fd00::1", "fd00::ff"), gateway="fd00::ffff", length=127),
    pool(length=1, vlan=4094),
    pool(length=24, gateway="10.1.0.1", vlan=1) | {"status": {"usage": {"total": 253, "used": 0}}},
]
BAD_POOLS = [
    (pool({"cidr": "10.1.0.0/24", "start": "10.1.0.1"}), "either cidr, or start and end"),
    (pool({"cidr": "10.1.0.0/24", **span("10.1.0.1", "10.1.0.2")}), "either cidr, or start and end"),
    (pool({"start": "10.1.0.1"}), "either cidr, or start and end"),
    (pool({"end": "10.1.0.1"}), "either cidr, or start and end"),
    (pool({}), "either cidr, or start and end"),
    (pool({"cidr": "10.1.0.0"}), "no address block"),
    (pool({"cidr": "10.1.0.0/33"}), "no address block"),
    (pool({"cidr": "ten/24"}), "no address block"),
    (pool(span("10.1.0", "10.1.0.3")), "$.spec.ipRanges[0].start: this is no IP address"),
    (pool(span("10.1.0.1", "10.1.0.300")), "$.spec.ipRanges[0].end: this is no IP address"),
    (pool(span("fe80::1%eth0", "fe80::2")), "no IP address"),
    (pool(span("10.1.0.1", "fd00::1")), "different IP families"),
    (pool(span("10.1.0.20", "10.1.0.10")), "start is above end"),
    (pool(span("10.1.0.10", "10.1.0.9")), "start is above end"),
    (pool(span("10.2.0.1", "10.1.255.255"), length=8), "start is above end"),
    (pool({"cidr": "fd00::/120"}), "another IP family"),
    (pool(span("fd00::1", "fd00::2")), "another IP family"),
    (pool(gateway="fd00::1", length=64), "another IP family"),
    (pool({"cidr": "10.1.0.0/16"}), "larger than the subnet"),
    (pool(gateway="10.1.0"), "$.spec.subnetInfo.gateway: this is no IP address"),
    (pool(gateway="10.1.0.1/24"), "no IP address"),
    (pool(length=32), "1 to 31"),
    (pool(length=0), "$.spec.subnetInfo.prefixLength: 0 is less than"),
    (pool(length=128), "$.spec.subnetInfo.prefixLength: 128 is greater than"),
    (pool(length="24"), "$.spec.subnetInfo.prefixLength: '24' is not of type"),
    (pool(vlan=4095), "$.spec.subnetInfo.vlan: 4095 is greater"),
    (pool(vlan=-1), "$.spec.subnetInfo.vlan: -1 is less"),
    ({**pool(), "spec": {"ipRanges": []}}, "'subnetInfo' is a required property"),
    ({**pool(), "spec": {"ipRanges": [], "subnetInfo": pool()["spec"]["subnetInfo"]}}, "$.spec.ipRanges: []"),
    ({key: value for key, value in pool().items() if key != "spec"}, "'spec' is a required property"),
]


@pytest.mark.parametrize("obj", GOOD_POOLS, ids=lambda obj: str(obj["spec"]["ipRanges"]))
def test_a_good_pool_is_taken(obj: dict[str, Any]) -> None:
    assert POOLS.problems(obj) == []


@pytest.mark.parametrize(("obj", "words"), BAD_POOLS, ids=lambda item: item if isinstance(item, str) else "pool")
def test_a_bad_pool_is_refused_with_the_reason(obj: dict[str, Any], words: str) -> None:
    found = POOLS.problems(obj)
    assert any(words in line for line in found), found


@pytest.mark.parametrize("obj", [obj for obj, _ in BAD_POOLS], ids=[words for _, words in BAD_POOLS])
def test_what_the_definition_refuses_the_agent_refuses_too(obj: dict[str, Any]) -> None:
    assert [finding for finding in validate_pool(obj) if finding.fatal] != []


def test_a_pool_grows_but_keeps_what_it_has() -> None:
    old = pool({"cidr": "10.1.0.0/26"}, span("10.1.0.100", "10.1.0.110"))
    first, second = old["spec"]["ipRanges"]
    more = {"cidr": "10.1.0.192/26"}
    assert POOLS.problems(pool(more, second, first), old) == []
    refused = ["$.spec.ipRanges: an existing range can neither be changed nor removed; new ranges may be added"]
    assert POOLS.problems(pool(first), old) == refused
    assert POOLS.problems(pool(first, span("10.1.0.100", "10.1.0.111")), old) == refused
    assert POOLS.problems(pool({"cidr": "10.1.0.1/26"}, second), old) == refused, "the text counts, as in Antrea"


def test_gateway_and_prefix_length_stay_but_the_vlan_may_change() -> None:
    old = pool(vlan=1)
    assert POOLS.problems(pool(vlan=2), old) == []
    assert POOLS.problems(pool(gateway="10.1.0.2"), old) == ["$.spec.subnetInfo.gateway: the gateway cannot be changed"]
    assert POOLS.problems(pool(length=23), old) == [
        "$.spec.subnetInfo.prefixLength: the prefix length cannot be changed"
    ]


def test_the_status_that_secnet_writes_is_in_the_schema() -> None:
    """What is not in the schema would be pruned."""
    owner = {"pod": {"name": "p", "namespace": "default", "containerID": "c1", "ifName": "eth1"}}
    entry = {"ipAddress": "10.1.0.2", "phase": "Allocated", "owner": owner}
    obj = pool() | {"status": {"ipAddresses": [entry], "usage": {"total": 253, "used": 1}}}
    assert POOLS.problems(obj) == []
    assert _pruned(POOLS.schema, obj) == obj
    assert _pruned(POOLS.schema, obj | {"more": 1}) == obj


def _pruned(schema: dict[str, Any], value: Any) -> Any:
    if isinstance(value, dict) and "properties" in schema:
        inner = schema["properties"]
        return {key: _pruned(inner[key], item) for key, item in value.items() if key in inner}
    return [_pruned(schema["items"], item) for item in value] if isinstance(value, list) else copy.deepcopy(value)


BRIDGE = {"bridgeName": "br1"}


GOOD_CONFIGS = [
    config(),
    config({"bridgeName": "br-no-uplink"}),
    config(BRIDGE | {"physicalInterfaces": [{"name": "eth1"}]}),
    config(BRIDGE | {"physicalInterfaces": [{"name": "eth2", "allowedVLANs": ["0", "100", "200-300", "7-7"]}]}),
    config(BRIDGE | {"enableMulticastSnooping": True}),
]


@pytest.mark.parametrize("obj", GOOD_CONFIGS)
def test_a_good_node_configuration_is_taken(obj: dict[str, Any]) -> None:
    assert NODES.problems(obj) == []


BAD_CONFIGS = [
    (config(BRIDGE, {"bridgeName": "br2"}), "$.spec.secondaryNetwork.ovsBridges"),
    (config({"physicalInterfaces": []}), "'bridgeName' is a required property"),
    (config({"bridgeName": "a-name-too-long1"}), "too long"),
    (config({"bridgeName": "br 1"}), "does not match"),
    (config(BRIDGE | {"physicalInterfaces": ["eth1"]}), "not of type 'object'"),
    (config(BRIDGE | {"physicalInterfaces": [{"name": f"eth{i}"} for i in range(9)]}), "too long"),
    (config(BRIDGE | {"physicalInterfaces": [{"name": "eth1", "allowedVLANs": [100]}]}), "not of type 'string'"),
    (config(BRIDGE | {"physicalInterfaces": [{"name": "eth1", "allowedVLANs": ["all"]}]}), "does not match"),
    (config(BRIDGE | {"physicalInterfaces": [{"name": "eth1", "allowedVLANs": ["4095"]}]}), "0 to 4094"),
    (config(BRIDGE | {"physicalInterfaces": [{"name": "eth1", "allowedVLANs": ["300-200"]}]}), "above the last"),
    ({**config(), "spec": {}}, "'nodeSelector' is a required property"),
]


@pytest.mark.parametrize(("obj", "words"), BAD_CONFIGS, ids=lambda item: item if isinstance(item, str) else "config")
def test_a_bad_node_configuration_is_refused(obj: dict[str, Any], words: str) -> None:
    found = NODES.problems(obj)
    assert any(words in line for line in found), found


def test_a_bridge_keeps_its_name() -> None:
    changed = config(BRIDGE | {"physicalInterfaces": [{"name": "eth1"}]})
    assert NODES.problems(changed, config(BRIDGE)) == []
    refused = ["$.spec.secondaryNetwork.ovsBridges: an existing bridge can neither be removed nor renamed"]
    assert NODES.problems(config({"bridgeName": "br2"}), config(BRIDGE)) == refused
    assert NODES.problems(config(), config(BRIDGE)) == refused


def test_every_example_is_taken() -> None:
    seen = set()
    for file in sorted(EXAMPLES.rglob("*.yaml")):
        for document in load_manifests(file) if "kind:" in file.read_text() else ():
            definition = BY_KIND.get(document.object["kind"])
            if definition is not None:
                assert definition.problems(document.object) == [], file
                seen.add(definition.kind)
    assert seen == {"IPPool", "NetworkAttachmentDefinition"}


def test_the_definitions_are_of_what_the_agent_reads() -> None:
    for kind, info in KINDS.items():
        if kind != "Pod":
            spec = BY_KIND[kind].document["spec"]
            assert BY_KIND[kind].api_version == info.api_version
            assert spec["names"]["plural"] == info.plural
            assert (spec["scope"] == "Namespaced") == info.namespaced
            assert set(spec["names"]["shortNames"]) <= set(info.short)


def test_each_definition_is_named_by_plural_and_group_and_is_in_the_kustomization() -> None:
    files = yaml.safe_load((CRDS / "kustomization.yaml").read_text())["resources"]
    assert files == sorted(path.name for path in CRDS.glob("[!k]*.yaml"))
    for name in files:
        spec = yaml.safe_load((CRDS / name).read_text())
        assert spec["metadata"]["name"] == f"{spec['spec']['names']['plural']}.{spec['spec']['group']}"
        assert Path(name).stem == spec["spec"]["names"]["plural"]


def test_a_rule_that_is_wrong_is_noticed(tmp_path: Path) -> None:
    """The check itself: a rule that does not compile, and one that fails while it is evaluated."""
    text = (CRDS / "ippools.yaml").read_text()
    broken = tmp_path / "broken.yaml"
    broken.write_text(text.replace("rule: isIP(self)", "rule: isAnIP(self)"))
    with pytest.raises(RuntimeError, match="isAnIP"):
        Definition(broken)
    broken.write_text(text.replace("rule: isIP(self)", "rule: self.nothing == ''"))
    assert any("self.nothing" in line for line in Definition(broken).problems(pool()))


def _judged(api: ApiServer, obj: dict[str, Any], old: dict[str, Any] | None = None) -> str:
    """Why a real API server refuses to create an object, or to update another one to it; empty if it does not."""
    live = None if old is None else api.create(old)
    try:
        if live is None:
            api.request("POST", f"{api.path_of(obj, named=False)}?dryRun=All", obj)
        else:
            api.request("PUT", f"{api.path_of(obj)}?dryRun=All", obj | {"metadata": live["metadata"]})
    except Rejected as exc:
        return f"{exc.status} {exc.body['message']}"
    finally:
        if live is not None:
            api.delete(live)
    return ""


@pytest.mark.kubernetes
def test_a_real_api_server_judges_as_the_stand_in_does(real_api: RealApi) -> None:
    """The rules are ours, and so are their messages; what a schema alone refuses is said in the server's words."""
    real_api.create(NODES.document)
    for good in [*GOOD_POOLS, *GOOD_CONFIGS]:
        assert _judged(real_api, good) == ""
    ours = [rule["message"] for found in (POOLS, NODES) for rule in rules_of(found.schema)]
    for bad, words in [*BAD_POOLS, *BAD_CONFIGS]:
        said = _judged(real_api, bad)
        assert said.startswith("422 "), (bad, said)
        text = words.rpartition(": ")[2]
        assert not any(text in message for message in ours) or text in said
    first, second = {"cidr": "10.1.0.0/26"}, span("10.1.0.100", "10.1.0.110")
    uplink = config(BRIDGE | {"physicalInterfaces": [{"name": "eth1"}]})
    for new, old, words in (
        (pool(second, first, {"cidr": "10.1.0.192/26"}), pool(first, second), ""),
        (pool(first), pool(first, second), "an existing range"),
        (pool({"cidr": "10.1.0.1/26"}, second), pool(first, second), "an existing range"),
        (pool(vlan=2), pool(vlan=1), ""),
        (pool(gateway="10.1.0.2"), pool(), "the gateway cannot be changed"),
        (pool(length=23), pool(), "the prefix length cannot be changed"),
        (uplink, config(BRIDGE), ""),
        (config({"bridgeName": "br2"}), config(BRIDGE), "an existing bridge"),
        (config(), config(BRIDGE), "an existing bridge"),
    ):
        said = _judged(real_api, new, old)
        assert words in said
        assert bool(words) == bool(said), (new, said)
