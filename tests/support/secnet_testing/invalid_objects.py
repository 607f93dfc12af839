"""Bad input: Pods whose annotation, NAD or IPPool is wrong, and manifest files that are none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .objects import nad, pool

__all__ = ["CASES", "FILES", "Case", "FileCase"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A Pod with this networks annotation, and the objects that it needs; the first error to be shown for it.

    reason, path: exactly. subject, says: a part of the object named and of message and hint. offline: `validate` can tell.
    """

    name: str
    networks: str
    reason: str
    path: str
    subject: str
    says: str
    objects: tuple[dict[str, Any], ...] = ()
    offline: bool = True


@dataclass(frozen=True, kw_only=True)
class FileCase:
    """A file that is no manifest. place: the line, as in `:3`. says: a part of the message."""

    name: str
    content: bytes
    says: str
    place: str = ""


def _annotation(name: str, networks: Any, path: str, says: str) -> Case:
    text = networks if isinstance(networks, str) else json.dumps(networks)
    return Case(name=name, networks=text, reason="InvalidAnnotation", path=path, subject="", says=says)


def _unsupported(name: str, key: str, value: Any) -> Case:
    return Case(
        name=name,
        networks=json.dumps([{"name": "good", key: value}]),
        reason="Unsupported",
        path="$[0]",
        subject="",
        says=f"{key} is asked for",
    )


def _network(name: str, path: str, says: str, reason: str = "InvalidNetwork", **config: Any) -> Case:
    made = nad(name, **({"vlan": 10} | config))
    subject = f"NetworkAttachmentDefinition default/{name}"
    return Case(name=name, networks=name, reason=reason, path=path, subject=subject, says=says, objects=(made,))


def _config(name: str, text: str, path: str, says: str) -> Case:
    made = nad(name)
    made["spec"]["config"] = text
    subject = f"NetworkAttachmentDefinition default/{name}"
    return Case(
        name=name, networks=name, reason="InvalidNetwork", path=path, subject=subject, says=says, objects=(made,)
    )


def _pool(name: str, path: str, says: str, *ranges: Any, **info: Any) -> Case:
    made = pool(name, "10.99.0.10-10.99.0.20", gateway="10.99.0.1", prefix=24)
    made["spec"]["subnetInfo"] |= info
    if ranges:
        made["spec"]["ipRanges"] = list(ranges)
    return Case(
        name=name,
        networks=name,
        reason="InvalidConfig",
        path=path,
        subject=f"IPPool {name}",
        says=says,
        objects=(nad(name, vlan=10, pools=[name]), made),
    )


def _one(**keys: Any) -> list[dict[str, Any]]:
    return [{"name": "good", **{key.replace("_", "-"): value for key, value in keys.items()}}]


def _chained(name: str) -> dict[str, Any]:
    made = nad(name)
    plugins = [{"type": "secnet", "networkType": "vlan", "vlan": 10}, {"type": "tuning"}, {"type": "sbr"}]
    made["spec"]["config"] = json.dumps({"cniVersion": "1.0.0", "name": name, "plugins": plugins})
    return made


_COOKBOOK = '{"type": "antrea", "networkType": "vlan", "ipam": {"type": "antrea", "ippools" ["pool1"]}}'
_HALF = r'{"type": "antrea", "networkType": "vlan", "ipam": {"type": "antrea", "ippools": ["\ud800"]}}'
_CHAIN = '{"cniVersion": "0.3.0", "name": "x", "plugins": [{"type": "antrea", "networkType": "vlan"}]}'
_BEHIND = (
    '{"cniVersion": "1.0.0", "name": "x", "plugins": [{"type": "tuning"}, {"type": "secnet", "networkType": "vlan"}]}'
)
_TWICE = json.dumps({"cniVersion": "1.0.0", "plugins": [{"type": "secnet", "networkType": "vlan"}] * 2})
_IN_CHAIN = (
    '{"cniVersion": "1.0.0", "plugins": [{"type": "secnet", "networkType": "vlan", "vlan": 5000}, {"type": "sbr"}]}'
)

CASES: Sequence[Case] = (
    _annotation("null-element", [None], "$[0]", "object"),
    _annotation("no-list", {"name": "good"}, "$", "list"),
    _annotation("cut-json", '[{"name": "good"', "$", "invalid JSON"),
    _annotation("no-name", [{"interface": "eth5"}], "$[0].name", "missing"),
    _annotation("name-eth0", _one(interface="eth0"), "$[0].interface", "eth0"),
    _annotation("name-lo", _one(interface="lo"), "$[0].interface", "lo"),
    _annotation("name-long", _one(interface="a" * 16), "$[0].interface", "15"),
    _annotation("name-slash", _one(interface="a/b"), "$[0].interface", "a/b"),
    _annotation("mac-multicast", _one(mac="01:00:5e:00:00:01"), "$[0].mac", "multicast"),
    _annotation("mac-text", _one(mac="not a mac"), "$[0].mac", "not a mac"),
    _annotation("unknown-key", _one(interfase="eth5"), "$[0].interfase", "interface"),
    _annotation("mtu-of-the-nad", _one(mtu=1400), "$[0].mtu", "set mtu in the NetworkAttachmentDefinition"),
    _annotation("bad-ip", _one(ips=["10.0.0.300"]), "$[0].ips[0]", "10.0.0.300"),
    _annotation("deep-args", '[{"name": "good", "cni-args": {"a": ' + "[" * 600 + "]" * 600 + "}}]", "$", "64 levels"),
    _annotation("bad-short-form", "a/b/c", "$[0].name", "short form"),
    _annotation("second-element", [{"name": "good"}, {"name": "UPPER"}], "$[1].name", "UPPER"),
    _annotation(
        "two-default-routes",
        [{"name": "good", "default-route": ["10.10.0.1"]}, {"name": "good", "default-route": ["10.10.0.1"]}],
        "$[1].default-route",
        "more than one",
    ),
    Case(
        name="name-twice",
        networks=json.dumps([{"name": "good", "interface": "eth5"}, {"name": "good", "interface": "eth5"}]),
        reason="Conflict",
        path="$[1].interface",
        subject="",
        says="eth5 is already used",
    ),
    _unsupported("wants-bandwidth", "bandwidth", {"ingressRate": 1000, "ingressBurst": 1000}),
    _unsupported("wants-ports", "portMappings", [{"hostPort": 80, "containerPort": 80}]),
    _unsupported("wants-guid", "infiniband-guid", "c2:11:22:33:44:55:66:77"),
    _unsupported("wants-cni-args", "cni-args", {"a": "b"}),
    _unsupported("wants-claim", "ipam-claim-reference", "claim"),
    Case(
        name="ips-without-ipam",
        networks=json.dumps([{"name": "ips-without-ipam", "ips": ["10.0.0.5"]}]),
        objects=(nad("ips-without-ipam", vlan=10),),
        reason="Unsupported",
        path="$[0]",
        subject="",
        says="a network without ipam",
    ),
    _config("cookbook-json", _COOKBOOK, "$.spec.config", "invalid JSON"),
    _config("deep", '{"type": "antrea", "bridge": ' + "[" * 600 + "]" * 600 + "}", "$.spec.config", "64 levels"),
    _config("half-a-character", _HALF, "$.spec.config", "ud800"),
    _config("config-list", "[1]", "$.spec.config", "object"),
    _config("chain", _CHAIN, "$.plugins[0].type", "chain"),
    _config("chain-behind-another", _BEHIND, "$.plugins[1].type", "put it first"),
    _config("chain-of-two", _TWICE, "$.plugins[1].type", "second network"),
    _config("chain-bad-option", _IN_CHAIN, "$.plugins[0].vlan", "4094"),
    Case(
        name="chain-without-multus",
        networks="chain-without-multus",
        objects=(_chained("chain-without-multus"),),
        reason="Unsupported",
        path="$.plugins",
        subject="NetworkAttachmentDefinition default/chain-without-multus",
        says="tuning",
        offline=False,
    ),
    _config("no-type", '{"cniVersion": "0.3.0", "networkType": "vlan"}', "$.type", "missing"),
    _network("vlan-too-large", "$.vlan", "4094", vlan=4095),
    _network("vlan-text", "$.vlan", "integer", vlan="ten"),
    _network("mtu-text", "$.mtu", "integer", mtu="big"),
    _network("mtu-small", "$.mtu", "68", mtu=67),
    _network("unknown-option", "$.vlanId", "vlan", vlanId=10),
    _network("missing-network-type", "$.networkType", "null where a string is required", networkType=None),
    _network("other-network-type", "$.networkType", "vxlan", reason="Unsupported", networkType="vxlan"),
    _network("other-ipam-type", "$.ipam.type", "antrea", reason="Unsupported", ipam={"type": "antreaa"}),
    _network("ipam-unknown-key", "$.ipam.ippool", "ippools", ipam={"type": "antrea", "ippool": ["good"]}),
    _network(
        "static-text",
        "$.ipam.addresses[0].address",
        "10.0.0.5",
        ipam={"type": "static", "addresses": [{"address": "10.0.0.5"}]},
    ),
    Case(
        name="br-int",
        networks="br-int",
        objects=(nad("br-int", vlan=10, bridge="br-int"),),
        reason="InvalidConfig",
        path="$.bridge",
        subject="NetworkAttachmentDefinition default/br-int",
        says="none of this node's bridges",
        offline=False,
    ),
    Case(
        name="no-pool",
        networks="no-pool",
        objects=(nad("no-pool", vlan=10, pools=["nowhere"]),),
        reason="ObjectNotFound",
        path="$.ipam.ippools[0]",
        subject="NetworkAttachmentDefinition default/no-pool",
        says="nowhere",
        offline=False,
    ),
    Case(
        name="no-network",
        networks="nowhere",
        reason="ObjectNotFound",
        path="",
        subject="NetworkAttachmentDefinition default/nowhere",
        says="create it",
        offline=False,
    ),
    Case(
        name="one-of-two",
        networks="good,one-of-two",
        objects=(nad("one-of-two", vlan=-1),),
        reason="InvalidNetwork",
        path="$.vlan",
        subject="NetworkAttachmentDefinition default/one-of-two",
        says="-1",
    ),
    _pool("gateway-text", "$.spec.subnetInfo.gateway", "gateway", gateway="here"),
    _pool("prefix-too-long", "$.spec.subnetInfo.prefixLength", "33", prefixLength=33),
    _pool("pool-vlan", "$.spec.subnetInfo.vlan", "5000", vlan=5000),
    _pool("range-outside", "$.spec.ipRanges[0]", "not inside the subnet", {"cidr": "10.98.0.0/24"}),
    _pool("range-backwards", "$.spec.ipRanges[0]", "10.99.0.20", {"start": "10.99.0.20", "end": "10.99.0.10"}),
    _pool("range-families", "$.spec.ipRanges[0]", "fd00::1", {"start": "10.99.0.2", "end": "fd00::1"}),
    _pool("range-neither", "$.spec.ipRanges[0]", "cidr", {"start": "10.99.0.2"}),
    _pool("range-text", "$.spec.ipRanges[0]", "here", {"cidr": "here"}),
)

FILES: Sequence[FileCase] = (
    FileCase(name="not-yaml", content=b"kind: Pod\nmetadata: [\n", says="", place=":"),
    FileCase(name="with-tabs", content=b"kind: Pod\nmetadata:\n\tname: x\n", says="", place=":3"),
    FileCase(name="not-utf-8", content=b"kind: Pod\n# \xe9\n", says="not UTF-8", place=":2"),
    FileCase(name="no-kind", content=b"metadata: {name: x}\n", says="kind is missing", place=":1"),
    FileCase(name="odd-kind", content=b"---\nkind: Pood\n", says="'Pood' is unknown", place=":2"),
    FileCase(name="old-version", content=b"apiVersion: v2\nkind: Pod\nmetadata: {name: x}\n", says="'v2'"),
    FileCase(name="no-metadata-name", content=b"apiVersion: v1\nkind: Pod\nmetadata: {}\n", says="$.metadata.name"),
    FileCase(name="odd-name", content=b"apiVersion: v1\nkind: Pod\nmetadata: {name: A_b}\n", says="not a valid name"),
    FileCase(
        name="annotation-number",
        content=b"apiVersion: v1\nkind: Pod\nmetadata: {name: x, annotations: {a: 1}}\n",
        says="$.metadata.annotations['a']",
    ),
    FileCase(name="key-twice", content=b"kind: Pod\nkind: Pod\n", says="kind", place=":2"),
    FileCase(name="only-text", content=b"hello\n", says="expected an object", place=":1"),
)
