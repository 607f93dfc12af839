"""NADs: ours or not, and the three stages of checking one of ours."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from secnet.agent.model.network import NetworkConfig
from secnet.agent.networks.nad import RESOURCE_ANNOTATION, InvalidNetwork, examine_nad, parse_nad
from secnet.agent.plugins.registry import Registry
from secnet.contract import ContractViolation, InvalidConfig, NetworkDriver, NetworkRef, Permanent, Unsupported
from secnet_testing.sample_plugins import sample_entry_points

REGISTRY = Registry.load(sample_entry_points)
VALID = {"cniVersion": "0.3.0", "type": "antrea", "networkType": "vlan"}


def nad(config: Any, **meta: Any) -> dict[str, Any]:
    text = config if isinstance(config, str) else json.dumps(config)
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "net", "namespace": "ns", **meta},
        "spec": {"config": text},
    }


def test_a_full_config() -> None:
    ipam = {"type": "pools", "ippools": ["v4", "v6"]}
    found = parse_nad(
        nad(VALID | {"mtu": 1300, "vlan": 100, "ipam": ipam, "name": "x"}, uid="u1", generation=3), REGISTRY
    )
    assert found == NetworkConfig(
        network=NetworkRef(namespace="ns", name="net"),
        uid="u1",
        generation=3,
        network_type="vlan",
        mtu=1300,
        options={"vlan": 100},
        ipam_type="pools",
        ipam_config={"ippools": ("v4", "v6")},
        cni_version="0.3.0",
        cni_type="antrea",
        cni_name="x",
    )


def test_the_least_config_and_the_other_name_of_our_type() -> None:
    found = parse_nad(
        nad(VALID | {"type": "secnet", "mtu": 0, "capabilities": {"ips": True}, "disableCheck": True}), REGISTRY
    )
    assert found is not None
    assert (found.mtu, found.ipam_type, dict(found.options)) == (None, None, {})


@pytest.mark.parametrize(
    "config",
    [
        {"cniVersion": "9", "type": "macvlan", "master": "eth0"},
        {"cniVersion": "1.0.0", "name": "c", "plugins": [{"type": "bridge"}, {"type": "tuning"}]},
        {"cniVersion": "1.0.0"},
        {"type": ["antrea"], "cniVersion": "1.0.0"},
        "",
        "   ",
    ],
)
def test_left_alone(config: Any) -> None:
    assert parse_nad(nad(config), REGISTRY) is None


OURS = {"type": "secnet", "networkType": "vlan", "vlan": 100}


def chain(*plugins: Any, **keys: Any) -> dict[str, Any]:
    return nad({"cniVersion": "1.0.0", "name": "x", **keys, "plugins": list(plugins)})


def test_the_first_of_a_chain_is_ours_with_what_the_list_says() -> None:
    member = OURS | {"capabilities": {"mac": True, "ips": False}, "name": "ignored", "cniVersion": "ignored"}
    found = parse_nad(chain(member, {"type": "tuning"}, {"type": "sbr"}, disableCheck=True), REGISTRY)
    assert found is not None
    assert (found.chain, found.cni_name, found.cni_version) == (("tuning", "sbr"), "x", "1.0.0")
    assert (dict(found.options), found.capabilities) == ({"vlan": 100}, {"mac"})
    assert found.common.disable_check


def test_a_chain_of_ours_alone_is_none() -> None:
    found = parse_nad(chain(OURS), REGISTRY)
    assert found is not None
    assert found.chain == ()


@pytest.mark.parametrize(
    ("plugins", "path", "says"),
    [
        ([{"type": "tuning"}, OURS], "$.plugins[1].type", "put it first"),
        ([OURS, OURS], "$.plugins[1].type", "second network"),
        ([OURS | {"type": "antrea"}, {"type": "sbr"}], "$.plugins[0].type", '"type": "secnet"'),
        ([OURS | {"vlan": 5000}, {"type": "sbr"}], "$.plugins[0].vlan", "4094"),
        ([OURS | {"networkType": "none"}, {"type": "sbr"}], "$.plugins[0].networkType", "installed"),
        ([OURS | {"vlanId": 5}, {"type": "sbr"}], "$.plugins[0].vlanId", "vlan"),
    ],
)
def test_a_chain_that_cannot_be(plugins: list[Any], path: str, says: str) -> None:
    config, problems = examine_nad(chain(*plugins), REGISTRY)
    assert config is None
    assert problems[0].path == path
    assert says in str(problems[0])


def test_a_bad_key_of_the_list_is_named_where_it_stands() -> None:
    _, problems = examine_nad(chain(OURS, {"type": "sbr"}, cniVersion="9"), REGISTRY)
    assert [problem.path for problem in problems] == ["$.cniVersion"]


@pytest.mark.parametrize("spec", [None, {}, {"config": None}])
def test_a_nad_without_config_is_known_to_another_owner(spec: Any) -> None:
    assert parse_nad(nad(VALID) | {"spec": spec}, REGISTRY) is None


BAD: list[tuple[Any, str, str]] = [
    (
        '{"cniVersion": "0.3.0",\n "type": "macvlan", "ipam": {"ippools" ["pool1"]}}',
        "$.spec.config",
        "line 2, column 40",
    ),
    ('{"type": "antrea", "type": "antrea"}', "$.spec.config", "twice"),
    ("[]", "$.spec.config", "object"),
    ({"plugins": [{"type": "antrea"}]}, "$.plugins[0].type", "without plugins"),
    ({"cniVersion": "1.0.0", "networkType": "vlan"}, "$.type", "antrea"),
    ({"type": "antrea", "networkType": "vlan"}, "$.cniVersion", "missing"),
    (VALID | {"cniVersion": ""}, "$.cniVersion", "1.1.0"),
    (VALID | {"cniVersion": "0.3"}, "$.cniVersion", "0.3.0"),
    ({"cniVersion": "1.0.0", "type": "antrea"}, "$.networkType", "missing"),
    (VALID | {"networkType": "VLAN"}, "$.networkType", "write 'vlan'"),
    (VALID | {"mtu": -1}, "$.mtu", "at least 0"),
    (VALID | {"mtu": 60}, "$.mtu", "68"),
    (VALID | {"mtu": "1500"}, "$.mtu", "without quotes"),
    (VALID | {"mtu": 1500.0}, "$.mtu", "write 1500"),
    (VALID | {"mtu": True}, "$.mtu", "integer"),
    (VALID | {"Mtu": 1500}, "$.Mtu", "did you mean 'mtu'"),
    (VALID | {"vlan": 4095}, "$.vlan", "driver vlan"),
    (VALID | {"vlan": "100"}, "$.vlan", "write 100 without quotes"),
    (VALID | {"vlan": 100.0}, "$.vlan", "write 100"),
    (VALID | {"vlna": 100}, "$.vlna", "did you mean 'vlan'"),
    (VALID | {"bridge": "br0\n"}, "$.bridge", "form"),
    (VALID | {"mode": "acess"}, "$.mode", 'did you mean "access"'),
    (VALID | {"trunk": [5, 5]}, "$.trunk", "twice"),
    (VALID | {"trunk": [5, 0]}, "$.trunk[1]", "at least 1"),
    (VALID | {"trunk": 5}, "$.trunk", "into a list"),
    (VALID | {"ippools": ["a"]}, "$.ippools", "into ipam"),
    (VALID | {"runtimeConfig": {}}, "$.runtimeConfig", "CNI runtime"),
    (VALID | {"ipam": {}}, "$.ipam.type", "missing"),
    (VALID | {"ipam": "pools"}, "$.ipam", "object"),
    (VALID | {"ipam": {"type": "pools"}}, "$.ipam.ippools", "IPAM backend pools"),
    (VALID | {"ipam": {"type": "pools", "ippools": [1]}}, "$.ipam.ippools[0]", "string"),
    (VALID | {"ipam": {"type": "pools", "ippool": ["a"], "ippools": []}}, "$.ipam.ippool", "did you mean 'ippools'"),
    (VALID | {"ipam": {"type": "pools", "ippools": [], "subnet": "10.0.0.1/24"}}, "$.ipam.subnet", "host bits"),
    (VALID | {"networkType": "slot"}, f"$.metadata.annotations['{RESOURCE_ANNOTATION}']", "annotate"),
]


@pytest.mark.parametrize(("config", "path", "word"), BAD, ids=[f"{item[1]}-{item[2]}" for item in BAD])
def test_invalid(config: Any, path: str, word: str) -> None:
    with pytest.raises(InvalidNetwork) as caught:
        parse_nad(nad(config), REGISTRY)
    assert caught.value.subject == "NetworkAttachmentDefinition ns/net"
    assert caught.value.path == path
    assert word in str(caught.value)
    assert caught.value.hint


def test_a_config_that_is_no_text() -> None:
    with pytest.raises(InvalidNetwork, match="string"):
        parse_nad(nad("") | {"spec": {"config": {"type": "antrea"}}}, REGISTRY)


@pytest.mark.parametrize(
    ("config", "path", "words"),
    [
        (VALID | {"networkType": "ipvlan"}, "$.networkType", ["slot, vlan", "secnet.network_types"]),
        (VALID | {"ipam": {"type": "dhcp"}}, "$.ipam.type", ["pools", "secnet.ipam"]),
    ],
)
def test_types_that_are_not_installed_are_unsupported(config: Any, path: str, words: list[str]) -> None:
    with pytest.raises(Unsupported) as caught:
        parse_nad(nad(config), REGISTRY)
    assert caught.value.path == path
    assert all(word in str(caught.value) for word in words)


def test_a_device_type_takes_its_resource_from_the_annotation() -> None:
    annotations = {RESOURCE_ANNOTATION: "example.com/slots"}
    found = parse_nad(nad(VALID | {"networkType": "slot"}, annotations=annotations), REGISTRY)
    assert found is not None
    assert found.resource_name == "example.com/slots"


@pytest.mark.parametrize("annotations", [None, {RESOURCE_ANNOTATION: ""}, {RESOURCE_ANNOTATION: 1}])
def test_a_device_type_without_resource_is_refused(annotations: Any) -> None:
    with pytest.raises(InvalidNetwork, match="device"):
        parse_nad(nad(VALID | {"networkType": "slot"}, annotations=annotations), REGISTRY)


def test_all_that_is_wrong_is_reported_at_once() -> None:
    config = VALID | {"mtu": -1, "vlan": 5000, "vlna": 1, "ipam": {"type": "dhcp"}}
    _, problems = examine_nad(nad(config), REGISTRY)
    assert [problem.path for problem in problems] == ["$.mtu", "$.vlna", "$.vlan", "$.ipam.type"]
    assert all(isinstance(problem, Permanent) for problem in problems)


def test_a_namespace_is_default_where_none_is_written() -> None:
    found = parse_nad({"metadata": {"name": "net"}, "spec": {"config": json.dumps(VALID)}}, REGISTRY)
    assert found is not None
    assert found.network == NetworkRef(namespace="default", name="net")


def registry_where(validate: Callable[[Any, Mapping[str, Any]], None]) -> Registry:
    """The sample plugins; the network type `vlan` has this `validate`."""
    plugin = REGISTRY.drivers["vlan"]
    cls: Any = type("Validating", (plugin.cls,), {"validate": validate})
    drivers: dict[str, Any] = {**REGISTRY.drivers, "vlan": dataclasses.replace(plugin, cls=cls)}
    return Registry(drivers=drivers, backends=REGISTRY.backends)


def refuse_seven(driver: NetworkDriver, options: Mapping[str, Any]) -> None:
    if options.get("vlan") == 7:
        raise InvalidConfig("seven is unlucky", hint="take eight", path="$.vlan")


def test_what_only_the_driver_can_refuse_is_shown_with_its_name_and_path() -> None:
    registry = registry_where(refuse_seven)
    with pytest.raises(InvalidNetwork, match=r"ns/net: \$\.vlan: seven is unlucky \(driver vlan\); take eight"):
        parse_nad(nad(VALID | {"vlan": 7}), registry)
    assert parse_nad(nad(VALID | {"vlan": 8}), registry) is not None


def test_the_driver_is_not_asked_about_options_that_its_schema_refuses() -> None:
    _, problems = examine_nad(nad(VALID | {"vlan": 7, "vlna": 1}), registry_where(refuse_seven))
    assert [problem.path for problem in problems] == ["$.vlna"]


def test_a_driver_that_fails_to_validate_is_named() -> None:
    def fail(driver: NetworkDriver, options: Mapping[str, Any]) -> None:
        raise KeyError("colour")

    with pytest.raises(ContractViolation, match=r"driver vlan \(.*\) raised KeyError from validate: 'colour'"):
        parse_nad(nad(VALID), registry_where(fail))


@pytest.mark.parametrize(("written", "generation"), [(7, 7), (None, 0), ("x", 0), ([1], 0), (True, 0), (1.5, 0)])
def test_what_is_no_generation_is_none(written: Any, generation: int) -> None:
    """The API gives a number; a manifest may have anything there."""
    config = parse_nad(nad(VALID, generation=written), REGISTRY)
    assert config is not None
    assert config.generation == generation
