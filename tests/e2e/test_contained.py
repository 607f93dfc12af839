"""What fails stays alone: a third-party driver that exits or is refused, and a Pod that can never be attached. What hangs:
test_hung.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet_testing.node import Node, NodeFactory
from secnet_testing.node_inspection import addresses, errors_of, wait_error
from secnet_testing.objects import nad, pod, pool
from secnet_testing.odd_driver import OddDriver

pytestmark = pytest.mark.ovs


@pytest.fixture
def thirdparty(tmp_path: Path) -> OddDriver:
    return OddDriver(tmp_path / "thirdparty")


def _network(node: Node) -> None:
    """A network of the vlan driver, and one of the third-party driver's."""
    node.store.apply(pool("net", "10.10.0.2-10.10.0.99", gateway="10.10.0.1", prefix=24))
    node.store.apply(nad("net", vlan=10, pools=["net"]))
    node.store.apply(nad("odd", network_type="odd"))


def _put(node: Node, name: str, networks: str) -> None:
    node.store.apply(pod(name, node.pod(name).path, networks))


def _works(node: Node, name: str = "good") -> None:
    """A Pod of the vlan driver is attached."""
    _put(node, name, "net")
    node.wait_attached(name)
    assert addresses(node.pod(name), "eth1")


def test_a_driver_that_exits_in_attach_ends_no_worker(bare: Node, thirdparty: OddDriver) -> None:
    _network(bare)
    thirdparty.does("attach", "exit")
    thirdparty.agent(bare)
    names = [f"odd{number}" for number in range(4)]  # one for each worker
    for name in names:
        _put(bare, name, "odd")
    for name in names:
        wait_error(bare, name)
        (error,) = errors_of(bare.status(), name)
        assert error["reason"] == "ContractViolation"
        assert "(thirdparty 1.2) raised SystemExit from attach" in error["message"]
    _works(bare)


def test_a_driver_that_exits_in_probe_does_not_end_the_agent(bare: Node, thirdparty: OddDriver) -> None:
    _network(bare)
    thirdparty.does("probe", "exit")
    agent = thirdparty.agent(bare)
    (line,) = (line for line in agent.text.splitlines() if "started: node" in line)
    assert "odd (broken: " in line
    assert "(thirdparty 1.2) raised SystemExit from probe" in line
    _works(bare)


def test_a_driver_that_hangs_in_inventory_stops_no_other(node: Node, thirdparty: OddDriver) -> None:
    _network(node)
    thirdparty.does("inventory", "hang")
    thirdparty.agent(node)
    node.wait_until(lambda: thirdparty.calls("inventory"), "the driver hangs")
    _works(node)


def test_a_removal_that_was_refused_is_tried_again_after_the_pod_is_gone(
    node_factory: NodeFactory, thirdparty: OddDriver
) -> None:
    node = node_factory(workers={"checkInterval": 1})
    _network(node)
    thirdparty.agent(node)
    _put(node, "web", "odd")
    node.wait_attached("web")
    thirdparty.does("detach", "refuse")
    node.store.delete("Pod", "web", "default")
    wait_error(node, "web")
    (error,) = errors_of(node.status(), "web")
    assert (error["reason"], error["retryable"]) == ("MissingPrivilege", False)
    assert len(node.records()) == 1
    thirdparty.does("detach", "")
    node.wait_detached("web")


def test_programs_that_a_plugin_starts_can_be_ended(bare: Node, thirdparty: OddDriver) -> None:
    _network(bare)
    thirdparty.does("attach", "spawn")
    thirdparty.agent(bare)
    _put(bare, "web", "odd")
    bare.wait_attached("web")
    assert int((thirdparty.folder / "mask").read_text(encoding="ascii"), 16) == 0, "blocked signals are inherited"
    bare.store.delete("Pod", "web", "default")
    bare.wait_detached("web")  # now: an agent without this driver could not


def test_a_pod_that_cannot_be_attached_does_not_wake_itself(bare: Node) -> None:
    bare.store.apply(pool("four", "10.10.0.0/24", gateway="10.10.0.1", prefix=24, vlan=10))
    bare.store.apply(pool("six", "fd00:10::/64", gateway="fd00:10::1", prefix=64, vlan=20))
    bare.store.apply(nad("torn", pools=["four", "six"]))
    bare.store.apply(nad("whole", pools=["four", "six"], vlan=30))
    agent = bare.agent()
    _put(bare, "bad", "torn")
    wait_error(bare, "bad")
    (error,) = errors_of(bare.status(), "bad")
    assert (error["reason"], error["retryable"]) == ("Conflict", False)
    for _ in range(8):  # addresses of its own pools come and go, and help it as little as those it gives back itself
        _put(bare, "good", "whole")
        bare.wait_attached("good")
        bare.store.delete("Pod", "good", "default")
        bare.wait_detached("good")
    attempts = [line for line in agent.text.splitlines() if "attach failed" in line and "pod=default/bad" in line]
    assert 1 <= len(attempts) <= 3  # its own event, and the first looks at its namespace
