"""The agent comes and goes; living attachments do not notice."""

from __future__ import annotations

import pytest
from secnet_testing.node import Node, NodeFactory
from secnet_testing.node_inspection import addresses, link, picture, port_of, unchanged
from secnet_testing.objects import as_manifest, nad, pod, pool
from secnet_testing.traffic import traffic

pytestmark = pytest.mark.ovs

SHARED = as_manifest(
    nad("net", vlan=10, pools=["net", "net6"]),
    pool("net", "10.10.0.2-10.10.0.99", gateway="10.10.0.1", prefix=24),
    pool("net6", "fd00:10::/112", gateway="fd00:10::1", prefix=64),
)


def _put(node: Node, *names: str) -> None:
    for name in names:
        node.put(f"{name}.yaml", as_manifest(pod(name, node.pod(name).path, "net")))


@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL"])
def test_a_restart_loses_no_packet_and_changes_nothing(live: Node, end: str) -> None:
    live.put("shared.yaml", SHARED)
    _put(live, "web", "db")
    live.wait_attached("web", "db")
    before = picture(live)
    with traffic(live.pod("db"), addresses(live.pod("web"), "eth1")[0].split("/")[0]) as flow:
        if end == "SIGTERM":
            live.stop()
        else:
            live.agents[-1].kill()
        unchanged(before, live)
        live.agent()
        live.wait_attached("web", "db")
        flow.flows()
        assert flow.lost == 0
    unchanged(before, live)


def test_what_changed_while_it_was_away_is_made_so(live: Node) -> None:
    live.put("shared.yaml", SHARED)
    _put(live, "stays", "goes", "dies")
    live.wait_attached("stays", "goes", "dies")
    ports = {name: port_of(live, name, "eth1") for name in ("stays", "goes", "dies")}
    live.stop()
    live.remove("goes.yaml")
    live.delete_pod_namespace("dies")
    _put(live, "comes")
    with traffic(live.pod("stays"), addresses(live.pod("goes"), "eth1")[0].split("/")[0]):
        pass  # it still talks to the Pod that is to go: without an agent nothing is taken away
    live.agent()
    live.wait_attached("stays", "comes")
    live.wait_detached("goes")
    live.wait_until(lambda: ports["dies"] not in live.ovs.rows()["Port"], "the port of the dead Pod is gone")
    rows = live.ovs.rows()["Port"]
    assert ports["stays"] in rows
    assert ports["goes"] not in rows
    assert link(live.pod("goes"), "eth1") == {}


def test_apply_leaves_what_an_agent_then_adopts(node_factory: NodeFactory) -> None:
    node = node_factory(manifests=None)
    file = node.put("all.yaml", SHARED + as_manifest(pod("web", node.pod("web").path, "net")))
    done = node.cli("apply", file)
    assert done.returncode == 0, done.stdout
    before = picture(node)
    node.agent()
    node.wait_attached("web")
    unchanged(before, node)
    node.stop()
    assert node.cli("delete", file).returncode == 0
    assert node.records() == ()
