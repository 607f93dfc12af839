"""Rules 4.1.* of multi-net-spec v1.3, each key against a generator that breaks exactly one rule."""

from __future__ import annotations

import dataclasses
import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from secnet.agent.model.selection import Malformed, Selection
from secnet.agent.networks.annotation import InvalidAnnotation, parse_networks
from secnet.contract import InvalidConfig, NetworkRef

LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,6}[a-z0-9])?", fullmatch=True)
NAME = st.lists(LABEL, min_size=1, max_size=3).map(".".join)
IFNAME = st.text(sorted(set(string.ascii_letters + string.digits + "-_.@+")), min_size=1, max_size=15).filter(
    lambda name: name not in ("lo", "eth0", "all", "default", ".", "..")
)
MAC = st.binary(min_size=6, max_size=6).filter(lambda raw: any(raw) and not raw[0] & 1)
GUID = st.binary(min_size=8, max_size=8).filter(any)
ADDRESS = st.ip_addresses().filter(lambda address: not address.is_multicast and not address.is_unspecified)
PORT = st.integers(1, 65535)
BITS = st.integers(1, 10**12)
JUNK = st.one_of(
    st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.just(""), st.just({"a": 1})
)
NOT_INTEGERS = st.sampled_from([0, -1, "100", 100.0, True, None, 1.5])


@st.composite
def with_prefix(draw: st.DrawFn) -> str:
    address = draw(ADDRESS)
    return draw(st.sampled_from([str(address), f"{address}/{draw(st.integers(0, address.max_prefixlen))}"]))


def distinct(items: list[str]) -> bool:
    return len({item.split("/")[0] for item in items}) == len(items)


@st.composite
def rates(draw: st.DrawFn) -> dict[str, int]:
    directions = draw(st.lists(st.sampled_from(["ingress", "egress"]), min_size=1, unique=True))
    found = {f"{direction}Rate": draw(BITS) for direction in directions}
    return found | {f"{direction}Burst": draw(BITS) for direction in directions if draw(st.booleans())}


MAPPING = st.fixed_dictionaries(
    {"hostPort": PORT, "containerPort": PORT},
    optional={"protocol": st.sampled_from(["TCP", "udp", "Sctp"]), "hostIP": ADDRESS.map(str)},
)
VALID: dict[str, st.SearchStrategy[Any]] = {
    "name": NAME,
    "namespace": st.one_of(st.just(""), LABEL),
    "interface": IFNAME,
    "mac": st.tuples(MAC, st.sampled_from([":", "-"]), st.booleans()).map(
        lambda drawn: drawn[0].hex(drawn[1]).upper() if drawn[2] else drawn[0].hex(drawn[1])
    ),
    "ips": st.lists(with_prefix(), min_size=1, max_size=3).filter(distinct),
    "bandwidth": rates(),
    "portMappings": st.lists(MAPPING, min_size=1, max_size=2),
    "infiniband-guid": GUID.map(lambda raw: raw.hex(":")),
    "cni-args": st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    "example.org/own": st.integers(),
}
NO_LIST = st.sampled_from([None, "10.0.0.1", {}, 1, True])
INVALID: dict[str, st.SearchStrategy[Any]] = {
    "name": st.one_of(JUNK, st.sampled_from(["Net", "a_b", "-a", "a-", "a..b", "a/b", "a" * 254, "a\n", "a b"])),
    "namespace": st.one_of(st.sampled_from([None, 1, "A", "a/b", "-", "n\n"])),
    "interface": st.one_of(
        JUNK,
        st.sampled_from(
            ["lo", "eth0", ".", "..", "a/b", "a b", "a\t", "eth1\n", "x" * 16, "é", "net%d", "a:1", "all", "default"]
        ),
    ),
    "mac": st.one_of(
        JUNK,
        st.binary(max_size=20).filter(lambda raw: len(raw) != 6).map(lambda raw: raw.hex(":")),
        st.binary(min_size=6, max_size=6).map(lambda raw: bytes([raw[0] | 1]) + raw[1:]).map(lambda raw: raw.hex(":")),
        st.sampled_from(
            ["00:00:00:00:00:00", "0a:0b:0c:0d:0e", "0a:0b-0c:0d:0e:0f", "0a0b0c0d0e0f", "0a:0b:0c:0d:0e:0f\n"]
        ),
    ),
    "ips": st.one_of(
        NO_LIST,
        st.just([]),
        st.sampled_from(
            [
                "10.0.0.256",
                "10.0.0.1/33",
                "::1/129",
                "10.0.0.1/",
                "10.0.0.1/-1",
                "fe80::1%eth0",
                "10.0.0.1/255.0.0.0",
                "x",
                "",
                1,
            ]
        ).map(lambda item: ["10.9.9.9/24", item]),
        st.sampled_from([["10.0.0.1", "10.0.0.1/24"], ["2001:db8::1", "2001:0db8::1"], ["224.0.0.1"], ["::"], [None]]),
    ),
    "default-route": st.one_of(
        NO_LIST, st.sampled_from([["10.0.0.1/24"], ["x"], [None], ["0.0.0.0"], ["fe80::1%eth0"]])
    ),
    "bandwidth": st.one_of(
        st.sampled_from([None, [], {}, 1, "x", {"ingressBurst": 5}, {"egressRate": 5, "ingressBurst": 5}, {"rate": 5}]),
        NOT_INTEGERS.map(lambda value: {"ingressRate": value}),
        st.just({"egressRate": 2**63}),
    ),
    "portMappings": st.one_of(
        st.sampled_from([None, [], {}, [None], [{}], [{"hostPort": 1}], [{"containerPort": 1}]]),
        NOT_INTEGERS.map(lambda value: [{"hostPort": value, "containerPort": 1}]),
        st.sampled_from([65536, -5]).map(lambda value: [{"hostPort": 1, "containerPort": value}]),
        st.sampled_from(["icmp", "", None, 6]).map(
            lambda value: [{"hostPort": 1, "containerPort": 1, "protocol": value}]
        ),
        st.just([{"hostPort": 1, "containerPort": 1, "hostIP": "x"}]),
        st.just([{"hostPort": 1, "containerPort": 1, "port": 1}]),
    ),
    "infiniband-guid": st.one_of(
        JUNK,
        st.binary(max_size=20).filter(lambda raw: len(raw) != 8).map(lambda raw: raw.hex(":")),
        st.just("00:00:00:00:00:00:00:00"),
    ),
    "cni-args": st.sampled_from([None, [], "x", 1]),
    "ipam-claim-reference": st.one_of(JUNK, st.just("A")),
}
ELEMENT = st.fixed_dictionaries({"name": VALID["name"]}, optional={k: v for k, v in VALID.items() if k != "name"})
ELEMENTS = st.lists(ELEMENT, min_size=1, max_size=4)


def valid(text: str, namespace: str) -> list[Selection]:
    """The selections of an annotation without a malformed element."""
    found = parse_networks(text, namespace)
    assert [item for item in found if isinstance(item, Malformed)] == []
    return [item for item in found if isinstance(item, Selection)]


@given(ELEMENTS)
def test_every_valid_list_is_read_in_full(elements: list[dict[str, Any]]) -> None:
    selections = valid(json.dumps(elements), "pod-ns")
    assert [item.index for item in selections] == list(range(len(elements)))
    for element, selection in zip(elements, selections, strict=True):
        assert selection.network == NetworkRef(namespace=element.get("namespace") or "pod-ns", name=element["name"])
        assert selection.interface == element.get("interface")
        assert selection.mac == (element["mac"].lower().replace("-", ":") if "mac" in element else None)
        assert len(selection.ips) == len(element.get("ips", []))
        assert selection.default_route is None
        assert selection.bandwidth == element.get("bandwidth")
        assert len(selection.port_mappings) == len(element.get("portMappings", []))
        assert selection.infiniband_guid == element.get("infiniband-guid")
        assert selection.cni_args == element.get("cni-args")
        assert set(selection.extra) == {"example.org/own"} & set(element)


@pytest.mark.parametrize("key", sorted(INVALID))
@given(elements=ELEMENTS, data=st.data())
def test_one_broken_rule_refuses_its_selection_alone_and_names_index_and_key(
    key: str, elements: list[dict[str, Any]], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(elements) - 1))
    if key == "ipam-claim-reference":
        elements[index].pop("ips", None)
    elements[index][key] = data.draw(INVALID[key])
    found = parse_networks(json.dumps(elements), "pod-ns")
    broken = found[index]
    assert isinstance(broken, Malformed)
    assert isinstance(broken.error, InvalidAnnotation)
    assert broken.error.path.startswith(f"$[{index}].{key}")
    assert broken.error.hint
    assert "k8s.v1.cni.cncf.io/networks" in broken.error.subject
    del elements[index]
    others = [item for item in found if item is not broken]
    assert [dataclasses.replace(item, index=0) for item in others] == [
        dataclasses.replace(item, index=0) for item in valid(json.dumps(elements), "pod-ns")
    ]


@pytest.mark.parametrize("text", ["", "  \n", "[]", " [ ] "])
def test_no_networks(text: str) -> None:
    assert parse_networks(text, "default") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vlan100", [("pods", "vlan100", None)]),
        ("networks/vlan200@eth200", [("networks", "vlan200", "eth200")]),
        (" a , other/b@net1,\nc ", [("pods", "a", None), ("other", "b", "net1"), ("pods", "c", None)]),
        ("null", [("pods", "null", None)]),
        ('[{"Name": "net", "INTERFACE": "eth2"}]', [("pods", "net", "eth2")]),
        (
            '[{"name": "vlan100"}, {"name": "vlan200", "namespace": "networks", "interface": "eth200"}]',
            [("pods", "vlan100", None), ("networks", "vlan200", "eth200")],
        ),
        (
            '[{"name": "n1", "namespace": "default", "interface": "eth1", "mac": "AA:BB:CC:DD:EE:02"}]',
            [("default", "n1", "eth1")],
        ),
    ],
)
def test_forms(text: str, expected: list[tuple[str, str, str | None]]) -> None:
    found = parse_networks(text, "pods")
    assert [(item.network.namespace, item.network.name, item.interface) for item in found] == expected


@pytest.mark.parametrize(
    ("text", "path", "word"),
    [
        ("[null]", "$[0]", "null"),
        ('[{"name": "a"}, "b"]', "$[1]", "object"),
        ('[{"name": "a", "Name": "b"}]', "$[0].Name", "twice"),
        ('[{"namespace": "a"}]', "$[0].name", "missing"),
        ('[{"Name": "v", "InterfaceRequest": "eth2"}]', "$[0].InterfaceRequest", "interface"),
        ('[{"name": "a", "mac": "01:00:5e:00:00:01"}]', "$[0].mac", "multicast"),
        ('[{"name": "a", "mac": "00:00:00:00:00:00"}]', "$[0].mac", "zero"),
        ('[{"name": "a", "ips": ["10.0.0.1", "10.0.0.1/24"]}]', "$[0].ips[1]", "twice"),
        ('[{"name": "a", "ips": ["224.0.0.1"]}]', "$[0].ips[0]", "single interface"),
        ('[{"name": "' + "a" * 254 + '"}]', "$[0].name", "object name"),
        ('[{"name": "a", "ips": ["fe80::1%eth0"]}]', "$[0].ips[0]", "not an IP address"),
        ('[{"name": "a", "ip": ["10.0.0.1"]}]', "$[0].ip", "ips"),
        ('[{"name": "a", "ips": ["10.0.0.1"], "ipam-claim-reference": "c"}]', "$[0].ipam-claim-reference", "exclude"),
        ('[{"name": "a", "mtu": 1400}]', "$[0].mtu", "set mtu in the NetworkAttachmentDefinition"),
        ('[{"name": "a", "MTU": 1400}]', "$[0].MTU", "set mtu in the NetworkAttachmentDefinition"),
        ("a@Eth1", "$[0].interface", "JSON form"),
        ("a@eth0", "$[0].interface", "primary"),
        ("a,b@lo", "$[1].interface", "loopback"),
        ("a@", "$[0].interface", "short form"),
        ("a@b@c", "$[0].interface", "short form"),
        ("a,,b", "$[1].name", "short form"),
        ("/a", "$[0].namespace", "short form"),
        ("x/y/z", "$[0].name", "short form"),
        ("a" + "@" + "e" * 16, "$[0].interface", "15"),
    ],
)
def test_a_refused_selection(text: str, path: str, word: str) -> None:
    (error,) = [item.error for item in parse_networks(text, "default") if isinstance(item, Malformed)]
    assert error.path == path
    assert word in str(error)
    assert isinstance(error, InvalidAnnotation)
    assert not error.retryable


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"name": "a"}', "list"),
        ('"a"', "list"),
        ('[{"name": "a"},]', "line 1, column 1"),
        ('[{"name": "a", "name": "b"}]', "twice"),
        ('[{"name": "a", "mac": NaN}]', "NaN"),
        ("[" * 100_000, "nesting"),
        ('[{"name": "a", "mac": 1' + "0" * 5000 + "}]", "number"),
    ],
)
def test_a_text_that_is_no_list_is_refused_as_a_whole(text: str, word: str) -> None:
    with pytest.raises(InvalidAnnotation) as caught:
        parse_networks(text, "default")
    assert caught.value.path == "$"
    assert word in str(caught.value)
    assert isinstance(caught.value, InvalidConfig)
    assert not caught.value.retryable


def test_what_could_be_read_of_a_malformed_selection() -> None:
    readable = {"name": "a", "interface": "net1", "mac": "0A:00:00:00:00:01", "ips": 1}
    text = json.dumps([readable, {"name": "B"}, "x", {"name": "c", "interface": 1}])
    found = [item for item in parse_networks(text, "pods") if isinstance(item, Malformed)]
    assert [(str(item.network), item.interface, item.mac, item.certain) for item in found] == [
        ("pods/a", "net1", "0a:00:00:00:00:01", True),
        ("pods/$[1]", None, None, False),
        ("pods/$[2]", None, None, False),
        ("pods/c", "", None, False),
    ]
    assert [item.names_network for item in found] == [True, False, False, True]


def test_default_route_absent_empty_and_given_differ() -> None:
    texts = [
        '[{"name": "a"}]',
        '[{"name": "a", "default-route": []}]',
        '[{"name": "a", "default-route": ["10.0.0.1"]}]',
    ]
    assert [valid(text, "d")[0].default_route for text in texts] == [None, (), ("10.0.0.1",)]


def test_values_become_canonical() -> None:
    ports = [{"hostPort": 1, "containerPort": 2}]
    element = {"name": "a", "ips": ["2001:0DB8::0001/64"], "mac": "0A0B.0C0D.0E0F", "portMappings": ports}
    found = valid(json.dumps([element]), "d")[0]
    assert found.ips == ("2001:db8::1/64",)
    assert found.mac == "0a:0b:0c:0d:0e:0f"
    assert found.port_mappings[0]["protocol"] == "tcp"


def test_a_selection_cannot_be_changed() -> None:
    found = valid('[{"name": "a", "cni-args": {"x": [1]}}]', "d")[0]
    assert found.cni_args is not None
    with pytest.raises(TypeError):
        found.cni_args["x"] = 2  # type: ignore[index]
