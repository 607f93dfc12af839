"""The agent and its manifest directory: what follows from an edit, and that nothing else is touched by it."""

from __future__ import annotations

from typing import Any

import pytest
from secnet_testing.node import Node
from secnet_testing.node_inspection import addresses, errors_of, exists, identity, link, network, port_of, wait_error
from secnet_testing.objects import as_manifest, nad, pod, pool
from secnet_testing.traffic import traffic

pytestmark = pytest.mark.ovs

SHARED = as_manifest(
    nad("red", vlan=11, pools=["red"]),
    nad("blue", vlan=12, pools=["blue"]),
    pool("red", "10.11.0.10-10.11.0.99", gateway="10.11.0.1", prefix=24),
    pool("blue", "10.12.0.10-10.12.0.99", gateway="10.12.0.1", prefix=24),
)


def _put(node: Node, name: str, networks: Any) -> None:
    node.put(f"{name}.yaml", as_manifest(pod(name, node.pod(name).path, networks)))


def _start(node: Node, **pods: Any) -> None:
    node.put("shared.yaml", SHARED)
    for name, networks in pods.items():
        _put(node, name, networks)
    node.wait_attached(*pods)


def _address(node: Node, name: str, ifname: str = "eth1") -> str:
    return addresses(node.pod(name), ifname)[0].split("/")[0]


def test_a_network_added_and_removed_leaves_the_others_alone(live: Node) -> None:
    _start(live, web="red", db="red")
    before = identity(live.pod("web"), "eth1")
    with traffic(live.pod("db"), _address(live, "web")) as flow:
        _put(live, "web", "red,blue")
        live.wait_until(lambda: addresses(live.pod("web"), "eth2"), "the added network")
        live.wait_attached("web")
        _put(live, "web", "red")
        live.wait_until(lambda: not link(live.pod("web"), "eth2"), "the network that went")
        live.wait_attached("web")
        flow.flows()
        assert flow.lost == 0
    assert identity(live.pod("web"), "eth1") == before
    assert [entry["name"] for entry in live.network_status("web")] == ["default", "default/red"]


def test_a_changed_selection_is_recreated_under_its_name(live: Node) -> None:
    _start(live, web=[{"name": "red"}, {"name": "blue", "interface": "eth7"}], db="red")
    with traffic(live.pod("db"), _address(live, "web")) as flow:
        _put(live, "web", [{"name": "red"}, {"name": "blue", "interface": "eth7", "mac": "02:00:00:00:00:77"}])
        live.wait_until(lambda: link(live.pod("web"), "eth7").get("address") == "02:00:00:00:00:77", "the new MAC")
        live.wait_attached("web")
        _put(live, "web", [{"name": "red"}, {"name": "blue", "interface": "eth8", "mac": "02:00:00:00:00:77"}])
        live.wait_until(lambda: addresses(live.pod("web"), "eth8"), "the new name")
        live.wait_attached("web")
        flow.flows()
        assert flow.lost == 0
    assert link(live.pod("web"), "eth7") == {}


def test_a_network_removed_from_the_front_does_not_shift_the_names(live: Node) -> None:
    _start(live, web="red,blue", db="blue")
    with traffic(live.pod("db"), _address(live, "web", "eth2")) as flow:
        _put(live, "web", "blue")
        live.wait_until(lambda: not link(live.pod("web"), "eth1"), "eth1 gone")
        live.wait_attached("web")
        flow.flows()
        assert flow.lost == 0
    assert addresses(live.pod("web"), "eth2")


BAD_EDITS = [
    pytest.param('[{"name": "red"},', "$", id="no list"),
    pytest.param([{"name": "red", "interfase": "eth9"}], "$[0].interfase", id="unknown key"),
    pytest.param([{"name": "RED"}], "$[0].name", id="unreadable name"),
    pytest.param([None], "$[0]", id="nothing to read"),
    pytest.param([{"name": "red", "mac": "x"}], "$[0].mac", id="unreadable MAC"),
]


@pytest.mark.parametrize(("edited", "path"), BAD_EDITS)
def test_what_cannot_be_read_leaves_living_interfaces_alone(live: Node, edited: Any, path: str) -> None:
    _start(live, web="red", db="red")
    before = identity(live.pod("web"), "eth1")
    with traffic(live.pod("db"), _address(live, "web")) as flow:
        _put(live, "web", edited)
        wait_error(live, "web")
        flow.flows()
        assert flow.lost == 0
    error = errors_of(live.status(), "web")[0]
    assert (error["reason"], error["path"]) == ("InvalidAnnotation", path)
    assert error["hint"]
    (condition,) = live.store.get("Pod", "web")["status"]["conditions"]
    assert condition["status"] == "True", "the interface is as it was"
    assert [entry["name"] for entry in live.network_status("web")] == ["default", "default/red"]
    _put(live, "web", "red")
    live.wait_attached("web")
    assert identity(live.pod("web"), "eth1") == before


def test_one_bad_selection_fails_its_own_network_alone(live: Node) -> None:
    _start(live, web="red,blue", db="blue")
    before = identity(live.pod("web"), "eth2")
    with traffic(live.pod("db"), _address(live, "web", "eth2")) as flow:
        bad = [{"name": "blue", "ips": "x"}, {"name": "red", "interface": "eth5"}, {"name": "red", "mtu": 1400}]
        _put(live, "web", [{"name": "red"}, *bad])
        live.wait_until(lambda: addresses(live.pod("web"), "eth5"), "the network that is new and right")
        wait_error(live, "web")
        flow.flows()
        assert flow.lost == 0
    status = live.status()
    assert [error["path"] for error in errors_of(status, "web")] == ["$[1].ips", "$[3].mtu"]
    phases = [network(status, "web", ifname)["phase"] for ifname in ("eth1", "eth2", "eth5", "eth3")]
    assert phases == ["Attached", "Degraded", "Attached", "Failed"]
    assert "set mtu in the NetworkAttachmentDefinition" in errors_of(status, "web")[1]["hint"]
    assert identity(live.pod("web"), "eth2") == before
    (condition,) = live.store.get("Pod", "web")["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "InvalidAnnotation")
    assert "$[3].mtu" in condition["message"]
    _put(live, "web", [{"name": "red"}, {"name": "blue"}, *bad[1:2], {"name": "red"}])
    live.wait_attached("web")
    assert identity(live.pod("web"), "eth2") == before
    assert addresses(live.pod("web"), "eth3")


def test_an_selection_that_names_no_network_takes_no_living_one_away(live: Node) -> None:
    _start(live, web="red,blue", db="red")
    before = [identity(live.pod("web"), ifname) for ifname in ("eth1", "eth2")]
    _put(live, "web", [{"name": "RED"}, {"name": "blue", "interface": "eth7"}])
    live.wait_until(lambda: addresses(live.pod("web"), "eth7"), "the network that is new and right")
    assert [identity(live.pod("web"), ifname) for ifname in ("eth1", "eth2")] == before
    _put(live, "web", [{"name": "red"}, {"name": "blue", "interface": "eth7"}])
    live.wait_until(lambda: not link(live.pod("web"), "eth2"), "what the annotation asks for no longer goes now")
    assert identity(live.pod("web"), "eth1") == before[0]


def test_a_removed_pod_manifest_detaches(live: Node) -> None:
    _start(live, web="red")
    port = port_of(live, "web", "eth1")
    live.remove("web.yaml")
    live.wait_detached("web")
    live.wait_until(lambda: not exists(live, "Pod", "web"), "the object is gone")
    assert link(live.pod("web"), "eth1") == {}
    assert port not in live.ovs.rows()["Port"]
    assert (live.store.get("IPPool", "red")["status"].get("ipAddresses") or []) == []


def test_a_finished_pod_keeps_no_networks(live: Node) -> None:
    _start(live, web="red")
    live.store.update_status(live.store.get("Pod", "web", "default") | {"status": {"phase": "Succeeded"}})
    live.wait_until(lambda: not link(live.pod("web"), "eth1"), "eth1 is gone")


def test_a_network_that_comes_later(live: Node) -> None:
    _put(live, "web", "late")
    wait_error(live, "web")
    error = errors_of(live.status(), "web")[0]
    assert error["reason"] == "ObjectNotFound"
    assert error["subject"] == "NetworkAttachmentDefinition default/late"
    live.put("late.yaml", as_manifest(nad("late", vlan=13)))
    live.wait_attached("web")


def test_an_edited_network_does_not_touch_living_attachments(live: Node) -> None:
    _start(live, web="red", db="red")
    before = live.ovs.rows()
    with traffic(live.pod("db"), _address(live, "web")) as flow:
        generation = live.store.get("NetworkAttachmentDefinition", "red", "default")["metadata"]["generation"]
        live.put("shared.yaml", SHARED.replace('\\"vlan\\": 11', '\\"vlan\\": 99'))
        live.wait_until(
            lambda: (
                live.store.get("NetworkAttachmentDefinition", "red", "default")["metadata"]["generation"] > generation
            ),
            "the edit is taken in",
        )
        _put(live, "late", "red")
        live.wait_attached("late")
        flow.flows()
        assert flow.lost == 0
    after = live.ovs.rows()
    assert {name: row for name, row in after["Port"].items() if name in before["Port"]} == before["Port"]
    assert after["Port"][port_of(live, "late", "eth1")]["tag"] == 99


def test_a_network_deleted_while_in_use_is_shown_and_stays(live: Node) -> None:
    live.put("red.yaml", as_manifest(nad("gone", vlan=14)))
    _start(live, web="gone")
    live.remove("red.yaml")
    wait_error(live, "web")
    entry = network(live.status(), "web", "eth1")
    assert (entry["phase"], entry["error"]["reason"]) == ("Degraded", "ObjectNotFound")
    assert link(live.pod("web"), "eth1")
    assert live.cli("status").returncode == 1
    live.put("red.yaml", as_manifest(nad("gone", vlan=14)))
    live.wait_attached("web")


def test_a_pod_made_again_under_its_name_is_another_pod(live: Node) -> None:
    _start(live, web="red")
    uid = live.store.get("Pod", "web", "default")["metadata"]["uid"]
    ports = set(live.ovs.rows()["Port"])
    live.remove("web.yaml")
    live.wait_until(lambda: not exists(live, "Pod", "web"), "the first Pod is gone")
    live.delete_pod_namespace("web")
    _put(live, "web", "red")
    live.wait_until(lambda: exists(live, "Pod", "web"), "the second Pod")
    live.wait_attached("web")
    live.wait_until(lambda: len(live.ovs.rows()["Port"]) == len(ports), "one port only")
    assert live.store.get("Pod", "web", "default")["metadata"]["uid"] != uid
    holders = [
        entry["owner"]["pod"]["containerID"] for entry in live.store.get("IPPool", "red")["status"]["ipAddresses"]
    ]
    assert holders == [live.records()[0].key.container_id]
