"""Repairs that do not end at once: by a kill, as the first try in place does not help, or as the Pod has something in the way."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from secnet_conformance.snapshot import HostSnapshot, diff
from secnet_conformance.steps import StepPoint
from secnet_testing import node_snapshot
from secnet_testing.killable_agent import program
from secnet_testing.netns import Namespace, run_in
from secnet_testing.node import Node, play_node
from secnet_testing.node_inspection import errors_of, identity, port_of
from secnet_testing.objects import as_manifest, nad, pod, pool

pytestmark = pytest.mark.ovs

SECONDS = 20.0
_POLL_SECONDS = 0.1
_SIGKILLED = -9
_DEFAULT_ROUTE = [{"name": "net", "interface": "eth1", "default-route": ["10.1.0.1"]}]
_POOL = pool("pool", "10.1.0.10-10.1.0.99", gateway="10.1.0.1", prefix=24)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """One whose agent checks each second."""
    workers = {"count": 4, "attachTimeout": 20, "checkInterval": 1, "drainSeconds": 5}
    with play_node(tmp_path, workers=workers) as made:
        made.put("pool.yaml", as_manifest(_POOL))
        yield made


def _pod_with_eth0(node: Node, name: str) -> Namespace:
    netns = node.pod(name)
    for words in (
        "link add eth0 type veth peer name up0",
        "link set eth0 up",
        "link set up0 up",
        "addr add 10.244.0.5/24 dev eth0",
        "route add default via 10.244.0.1 dev eth0",
    ):
        run_in(netns, ["ip", *words.split()])
    return netns


def _defaults(netns: Namespace) -> list[str]:
    lines = run_in(netns, ["ip", "route", "show", "default"]).splitlines()
    return [" ".join(line.replace("proto static", "").replace("linkdown", "").split()) for line in lines]


def _condition(node: Node, name: str) -> tuple[str, str]:
    (found,) = node.store.get("Pod", name, "default")["status"]["conditions"]
    return found["status"], found["reason"]


def _wait_equal(node: Node, first: HostSnapshot) -> None:
    deadline = time.monotonic() + SECONDS
    while lines := diff(first, node_snapshot.take(node)):
        assert time.monotonic() < deadline, "\n".join([*lines, node.logs()])
        time.sleep(_POLL_SECONDS)


@contextmanager
def _agent_stands_still(node: Node) -> Iterator[None]:
    """The next check meets at once what is done meanwhile."""
    pid = node.agents[-1].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_lost_interface_whose_check_is_disabled_is_made_whole_by_the_next_agent(node: Node) -> None:
    """Nothing finds its missing address: the record has to say that the repair did not come to its end."""
    web, marker = _pod_with_eth0(node, "web"), node.folder / "marker"
    node.put("net.yaml", as_manifest(nad("net", vlan=100, pools=["pool"], disableCheck=True)))
    node.put("web.yaml", as_manifest(pod("web", web.path, _DEFAULT_ROUTE)))
    node.agent()
    node.wait_attached("web")
    first = node_snapshot.take_settled(node)
    for step in ("veth.create", "port.add", "address.add", "link.up"):
        node.end_agents()
        run_in(web, ["ip", "link", "del", "eth1"])
        point = StepPoint(name=step, number=1, moment="after")
        victim = node.agent(program=program("kill", point, marker), ready=False)
        assert (victim.wait_end(SECONDS), marker.read_text()) == (_SIGKILLED, str(point))
        node.agent()
        _wait_equal(node, first)


def test_a_route_that_a_first_try_in_place_took_comes_back(node: Node) -> None:
    """Another MAC takes a detach; the try before it met a default route that is newer than the attachment."""
    web = _pod_with_eth0(node, "web")
    node.put("net.yaml", as_manifest(nad("net", vlan=100, pools=["pool"])))
    node.put("web.yaml", as_manifest(pod("web", web.path, _DEFAULT_ROUTE)))
    node.agent()
    node.wait_attached("web")
    with _agent_stands_still(node):
        run_in(web, ["ip", "route", "add", "default", "via", "10.244.0.9", "dev", "eth0", "metric", "50"])
        run_in(web, ["ip", "link", "set", "eth1", "address", "02:00:00:00:00:99"])
    node.wait_until(lambda: _defaults(web) == ["default via 10.1.0.1 dev eth1"], "the new route is taken")
    node.wait_until(lambda: not any(r.phase == "Repairing" for r in node.records()), "the repair ends")
    node.put("web.yaml", as_manifest(pod("web", web.path)))
    node.wait_detached("web")
    assert _defaults(web) == ["default via 10.244.0.1 dev eth0", "default via 10.244.0.9 dev eth0 metric 50"]


def test_an_interface_is_not_detached_for_a_route_that_the_pod_gave_to_another_one(node: Node) -> None:
    web = _pod_with_eth0(node, "web")
    routes = {"routes": [{"dst": "10.99.0.0/16"}]}
    node.put("net.yaml", as_manifest(nad("net", vlan=100, pools=["pool"], ipam=routes)))
    node.put("web.yaml", as_manifest(pod("web", web.path, "net")))
    node.agent()
    node.wait_attached("web")
    before, wired = identity(web, "eth1"), port_of(node, "web", "eth1")
    run_in(web, ["ip", "route", "replace", "10.99.0.0/16", "via", "10.244.0.1", "dev", "eth0"])
    node.wait_until(lambda: [e["reason"] for e in errors_of(node.status(), "web")] == ["Conflict"], "it is reported")
    node.wait_until(lambda: _condition(node, "web") == ("False", "Conflict"), "it takes the Pod out of service")
    assert identity(web, "eth1") == before
    node.end_agents()
    run_in(web, ["ip", "route", "del", "10.99.0.0/16"])
    node.ovs.vsctl("del-port", wired)
    node.agent()
    node.wait_attached("web")
    assert identity(web, "eth1") == before
    node.wait_until(lambda: _condition(node, "web") == ("True", "Attached"), "and it is back")
    assert "10.99.0.0/16 via 10.1.0.1 dev eth1" in run_in(web, ["ip", "route"])
