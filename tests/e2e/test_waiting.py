"""What is not there yet is waited for, said, and leaves nothing behind; Open vSwitch may come and go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from secnet_testing.netns import ping, run_in
from secnet_testing.node import BRIDGE, Node, NodeFactory
from secnet_testing.node_inspection import (
    addresses,
    errors_of,
    identity,
    link,
    network,
    picture,
    port_of,
    problems,
    unchanged,
    wait_error,
)
from secnet_testing.objects import as_manifest, nad, pod, pool
from secnet_testing.traffic import traffic

pytestmark = pytest.mark.ovs


def _shared(last: int = 99) -> str:
    return as_manifest(
        nad("net", vlan=10, pools=["net"]), pool("net", f"10.10.0.2-10.10.0.{last}", gateway="10.10.0.1", prefix=24)
    )


def _put(node: Node, *names: str) -> None:
    for name in names:
        node.put(f"{name}.yaml", as_manifest(pod(name, node.pod(name).path, "net")))


@contextmanager
def _ovsdb_away(node: Node) -> Iterator[None]:
    """Without an OVSDB server; it comes back whatever happens, for the tests that share the node."""
    node.ovs.stop_server()
    try:
        yield
    finally:
        node.ovs.start_server()


def test_a_full_pool_gives_the_address_that_comes_free(live: Node) -> None:
    live.put("shared.yaml", _shared(last=2))
    _put(live, "first")
    live.wait_attached("first")
    _put(live, "second")
    wait_error(live, "second")
    error = errors_of(live.status(), "second")[0]
    assert (error["reason"], error["retryable"]) == ("Busy", True)
    assert "IPPool net" in f"{error}"
    assert network(live.status(), "second", "eth1")["phase"] == "Pending"
    assert [entry["owner"]["pod"]["name"] for entry in live.store.get("IPPool", "net")["status"]["ipAddresses"]] == [
        "first"
    ]
    live.remove("first.yaml")
    live.wait_attached("second")
    assert addresses(live.pod("second"), "eth1") == ["10.10.0.2/24"]


def test_a_widened_pool_helps_those_who_wait(live: Node) -> None:
    live.put("shared.yaml", _shared(last=2))
    _put(live, "first", "second")
    live.wait_until(lambda: len(live.records()) == 1 and any(_waits(live, name) for name in ("first", "second")), "one")
    live.put("shared.yaml", _shared(last=3))
    live.wait_attached("first", "second")
    assert {addresses(live.pod(name), "eth1")[0] for name in ("first", "second")} == {"10.10.0.2/24", "10.10.0.3/24"}


def _waits(node: Node, name: str) -> bool:
    report = node.report(name)
    return report is not None and any(item.phase == "Pending" for item in report.networks)


def test_a_missing_pool_that_comes_later(live: Node) -> None:
    live.put("net.yaml", as_manifest(nad("net", vlan=10, pools=["late"])))
    _put(live, "web")
    wait_error(live, "web")
    assert errors_of(live.status(), "web")[0]["reason"] == "ObjectNotFound"
    live.put("late.yaml", as_manifest(pool("late", "10.10.0.0/24", gateway="10.10.0.1", prefix=24)))
    live.wait_attached("web")


def test_ovsdb_away_is_reported_and_what_waited_is_attached(live: Node) -> None:
    live.put("shared.yaml", _shared())
    _put(live, "web", "db")
    live.wait_attached("web", "db")
    before = {name: identity(live.pod(name), "eth1") for name in ("web", "db")}
    with traffic(live.pod("db"), addresses(live.pod("web"), "eth1")[0].split("/")[0]) as flow:
        with _ovsdb_away(live):
            _put(live, "new")
            wait_error(live, "new")
            error = errors_of(live.status(), "new")[0]
            assert (error["reason"], error["retryable"]) == ("Unavailable", True)
            assert live.ovs.target in f"{error}"
            assert link(live.pod("new"), "eth1") == {}
        # Not counted: the userspace datapath forwards nothing while ovs-vswitchd has no OVSDB connection.
        live.wait_attached("new")
        flow.flows()
    assert {name: identity(live.pod(name), "eth1") for name in ("web", "db")} == before
    assert problems(live) == []


def test_a_pod_removed_while_ovsdb_is_away_leaves_nothing(live: Node) -> None:
    live.put("shared.yaml", _shared())
    live.pod("web")
    live.wait_until(lambda: live.store.list("IPPool"), "the pool")
    before = picture(live)
    _put(live, "web")
    live.wait_attached("web")
    with _ovsdb_away(live):
        live.remove("web.yaml")
        live.wait_until(lambda: _detaching(live), "the error of the removal")
        assert live.records(), "the record is what remembers the port"
    live.wait_detached("web")
    unchanged(before, live)


def _detaching(node: Node) -> bool:
    report = node.report("web")
    return report is not None and any(item.error and item.error.reason == "Unavailable" for item in report.networks)


def test_vswitchd_restarted_under_traffic(live: Node) -> None:
    live.put("shared.yaml", _shared())
    _put(live, "web", "db")
    live.wait_attached("web", "db")
    rows, names = live.ovs.rows(), {name: port_of(live, name, "eth1") for name in ("web", "db")}
    before = {name: identity(live.pod(name), "eth1") for name in names}
    target = addresses(live.pod("web"), "eth1")[0].split("/")[0]
    with traffic(live.pod("db"), target) as flow:
        live.ovs.stop_switch()
        try:
            assert not ping(live.pod("db"), target, within=0.5)
        finally:
            live.ovs.start_switch()
        flow.flows(20)
    live.wait_until(lambda: live.ovs.rows() == rows, "the rows as before")
    assert {name: identity(live.pod(name), "eth1") for name in names} == before
    live.remove("web.yaml")
    live.wait_detached("web")
    assert names["web"] not in live.ovs.rows()["Port"]


def test_open_vswitch_down_when_the_agent_starts(node: Node) -> None:
    node.ovs.stop()
    node.put("shared.yaml", _shared())
    _put(node, "web")
    node.agent()
    wait_error(node, "web")
    status = node.status()
    assert errors_of(status, "web")[0]["reason"] == "Unavailable"
    (driver,) = (state for state in status["drivers"] if state["network_type"] == "vlan")
    assert driver["error"]["reason"] == "Unavailable"
    node.ovs.start_server()
    node.ovs.start_switch()
    node.wait_attached("web")
    assert BRIDGE in node.ovs.rows()["Bridge"]


def test_an_uplink_that_comes_later(node_factory: NodeFactory) -> None:
    node = node_factory(ovsBridges=[{"bridgeName": BRIDGE, "physicalInterfaces": ["up0"]}])
    node.agent()
    (state,) = (state for state in node.status()["drivers"] if state["network_type"] == "vlan")
    assert "the uplink up0 does not exist" in state["report"]["findings"][0]["message"]
    assert node.cli("status").returncode == 1
    run_in(node.namespace, ["ip", "link", "add", "up0", "mtu", "9000", "type", "veth", "peer", "name", "wire"])
    node.wait_until(lambda: "up0" in node.ovs.rows()["Bridge"][BRIDGE]["ports"], "the uplink is connected")
    node.wait_until(lambda: node.cli("status").returncode == 0, "the node is ready")
    port = node.ovs.rows()["Port"]["up0"]
    assert (port["tag"], port["trunks"]) == ([], []), "an uplink carries all VLANs"
    assert "UP" in link(node.namespace, "up0")["flags"]
