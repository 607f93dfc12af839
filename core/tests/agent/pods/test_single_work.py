"""One network that a caller of the plugin asks for: what is refused, and what CHECK compares in a chain."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from secnet.agent.cni.interface import RuntimeConfig, SandboxCall
from secnet.agent.model.network import CommonOptions, NetworkConfig
from secnet.agent.model.record import Origin
from secnet.agent.model.sandbox import Sandbox
from secnet.agent.model.work import Work
from secnet.agent.pods.single_work import by_result, single_work, stated
from secnet.contract import Finding, InvalidConfig, NetnsRef, Unsupported
from secnet_testing.contract_objects import POD, network, record
from secnet_testing.scripted_plugins import Script, toy_registry

CALL = SandboxCall(container_id="c1", netns="/run/netns/none", ifname="net1", pod=POD)
FOUND = Sandbox(container_id="c1", netns=NetnsRef(path="/run/netns/none", device=1, inode=2))
CHAIN = NetworkConfig(network=network(), network_type="toy", chain=("tuning",))


def made(nad: NetworkConfig | None = None, *, runtime: RuntimeConfig | None = None, **conf: Any) -> Work:
    whole = {"cniVersion": "1.0.0", "name": "blue", "type": "secnet", "networkType": "toy", **conf}
    registry = toy_registry(Script())
    return single_work(CALL, FOUND, whole, "net1", runtime or RuntimeConfig(), registry, nad)


def test_it_is_the_callers() -> None:
    work = made()
    assert (work.origin, work.request.ifname, work.request.network) == (Origin.CNI, "net1", network())
    assert work.common == CommonOptions()


def test_cni_args_are_refused_as_the_annotations() -> None:
    with pytest.raises(Unsupported, match="cni-args") as caught:
        made(runtime=RuntimeConfig(cni_args={"a": 1}))
    assert caught.value.subject == f"annotation k8s.v1.cni.cncf.io/networks of Pod {POD}, network blue"
    assert (caught.value.path, "remove cni-args" in caught.value.hint) == ("", True)


def test_what_the_configuration_says_wrongly_is_the_networks_fault() -> None:
    with pytest.raises(InvalidConfig) as caught:
        made(vlam=5)
    assert (caught.value.subject, caught.value.path) == ("NetworkAttachmentDefinition default/blue", "$.vlam")


@pytest.mark.parametrize("field", ["ips", "port_mappings"])
def test_the_limits_of_an_annotation_hold_for_what_a_caller_passes_on(field: str) -> None:
    values: dict[str, Any] = {
        "ips": tuple(f"10.0.{n // 256}.{n % 256}" for n in range(257)),
        "port_mappings": ({},) * 257,
    }
    with pytest.raises(InvalidConfig, match="257 items in runtimeConfig, and at most 256") as caught:
        made(runtime=RuntimeConfig(**{field: values[field]}))
    assert "limits.listItems" in caught.value.hint
    with pytest.raises(InvalidConfig, match="300 items"):
        made(odd=[0] * 300)


def test_a_member_of_a_chain_leaves_the_pods_side_to_the_chain() -> None:
    assert made(CHAIN).common == CommonOptions(disable_check=True, chained=True)
    assert made(CHAIN, disableCheck=True).common == CommonOptions(disable_check=True)


@pytest.mark.parametrize(
    ("result", "mac"),
    [
        ({"interfaces": [{"name": "net1", "mac": "02:AA:00:00:00:01", "sandbox": "/x"}]}, "02:aa:00:00:00:01"),
        ({"interfaces": [{"name": "net1", "mac": "02:aa:00:00:00:01"}]}, "02:00:00:00:00:09"),
        ({"interfaces": [{"name": "net1", "sandbox": "/x"}]}, "02:00:00:00:00:09"),
        ({"interfaces": [None, {"name": "other", "mac": "02:aa:00:00:00:01", "sandbox": "/x"}]}, "02:00:00:00:00:09"),
        ({"interfaces": 5}, "02:00:00:00:00:09"),
        ({}, "02:00:00:00:00:09"),
    ],
)
def test_a_later_plugin_may_have_set_the_mac(result: dict[str, Any], mac: str) -> None:
    item = record("net1", common=CommonOptions(disable_check=True, chained=True))
    item = item.replace(attachment=_with_mac(item.attachment))
    found = by_result(item, result)
    assert (found.attachment.mac, found.common.disable_check) == (mac, False)


def test_check_compares_what_a_result_states_and_the_hosts_side() -> None:
    findings = [
        Finding(code="WrongMac", message="", in_pod=True),
        Finding(code="RouteMissing", message="", in_pod=True),
        Finding(code="WrongMtu", message="", in_pod=True),
        Finding(code="WrongMtu", message=""),
        Finding(code="PortMissing", message=""),
    ]
    assert [(item.code, item.in_pod) for item in stated(findings)] == [
        ("WrongMac", True),
        ("WrongMtu", False),
        ("PortMissing", False),
    ]


def _with_mac(attachment: Any) -> Any:
    return dataclasses.replace(attachment, mac="02:00:00:00:00:09")
