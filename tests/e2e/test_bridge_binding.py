"""A Pod whose interface a virtual machine's launcher has put into a bridge: the host's side is kept, the Pod's left alone.

A namespace behind a veth stands in for the guest on its tap; the tier `vm` has a real one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from secnet_conformance.netns import new_namespace, remove_namespace
from secnet_testing.agent_page import PORT, metrics, wait_checked
from secnet_testing.bridge_binding import CURRENT, OLDER, BridgeBinding
from secnet_testing.netns import Namespace, ping, run_in
from secnet_testing.node import BRIDGE, Node, play_node
from secnet_testing.node_inspection import clear, errors_of, link, network, port_of
from secnet_testing.objects import as_manifest, nad, pod, pool

pytestmark = pytest.mark.ovs

IFNAME = "pod37a8eec1ce1"
IN_USE = f"in use by the bridge k6t-{IFNAME.removeprefix('pod')} in the Pod"
ATTACHMENTS = 2
POOLS = (
    pool("net", "10.1.0.0/24", gateway="10.1.0.1", prefix=24),
    pool("new", "10.2.0.0/24", gateway="10.2.0.1", prefix=24),
)


class Bound:
    """The Pod `vm`, whose guest has its interface, and the Pod `other`."""

    def __init__(self, node: Node, guest: Namespace) -> None:
        self.node, self.guest = node, guest
        self.vm, self.other = node.pod("vm"), node.pod("other")
        self.binding = BridgeBinding(netns=self.vm, ifname=IFNAME)

    def attach(self, **options: Any) -> None:
        """Attach both Pods to a network. options: of its NAD."""
        self.node.put("net.yaml", as_manifest(nad("net", vlan=100, pools=["net"], **options), *POOLS))
        self.node.put("vm.yaml", as_manifest(pod("vm", self.vm.path, [{"name": "net", "interface": IFNAME}])))
        self.node.put("other.yaml", as_manifest(pod("other", self.other.path, "net")))
        self.node.wait_attached("vm", "other")
        self.binding.prepare()

    def bind(self, steps: tuple[str, ...] = CURRENT) -> None:
        """All that the launcher does; the guest has MAC and address."""
        tap, mac = self.binding.tap, self.binding.mac
        run_in(self.vm, ["ip", "link", "add", tap, "type", "veth", "peer", "name", "eth0", "netns", self.guest.name])
        run_in(self.guest, ["ip", "link", "set", "eth0", "address", mac, "up"])
        run_in(self.guest, ["ip", "address", "add", self.binding.addresses[0], "dev", "eth0"])
        self.binding.bind(steps)
        assert self.reachable()

    def reachable(self) -> bool:
        """Whether the guest answers."""
        return ping(self.other, self.binding.addresses[0].split("/")[0], within=5)

    def ends(self) -> tuple[object, ...]:
        """What shows that both ends of the interface are the same as before."""
        inside = link(self.vm, self.binding.nic)
        port = port_of(self.node, "vm", IFNAME)
        shown = ("ifindex", "address", "master", "mtu", "flags")
        return (*(inside.get(key) for key in shown), link(self.node.namespace, port).get("ifindex"))

    def repairs(self) -> float:
        """How many the agent has counted."""
        return sum(value for key, value in metrics(self.node).items() if key.startswith("secnet_repairs_total"))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node whose agent checks each second."""
    workers = {"count": 4, "attachTimeout": 20, "checkInterval": 1, "drainSeconds": 5}
    http = {"listen": f"127.0.0.1:{PORT}"}
    with play_node(tmp_path_factory.mktemp("node"), workers=workers, http=http) as node:
        node.agent()
        yield node


@pytest.fixture
def bound(watched: Node, tmp_path: Path) -> Iterator[Bound]:
    guest = new_namespace(f"sn-{secrets.token_hex(4)}")
    try:
        yield Bound(watched, guest)
        print(watched.logs())  # pytest shows it when the test failed
    finally:
        clear(watched, tmp_path / "clear")
        remove_namespace(guest)


def _shown(node: Node) -> dict[str, Any]:
    return network(node.status(), "vm", IFNAME)


@pytest.mark.parametrize("steps", [CURRENT, OLDER, OLDER[:-1]], ids=["current", "older", "without stand-in"])
def test_a_bound_interface_is_attached_and_in_use(bound: Bound, steps: tuple[str, ...]) -> None:
    bound.attach()
    bound.bind(steps)
    before, repairs = bound.ends(), bound.repairs()
    wait_checked(bound.node, ATTACHMENTS)
    assert (bound.ends(), bound.repairs()) == (before, repairs)
    bound.node.agents[-1].kill()
    bound.node.agent()
    bound.node.wait_attached("vm", "other")
    wait_checked(bound.node, ATTACHMENTS)
    assert (bound.ends(), bound.repairs()) == (before, 0)
    assert bound.reachable()
    assert _shown(bound.node)["phase"] == "Attached"
    assert errors_of(bound.node.status(), "vm") == []
    assert IN_USE in bound.node.cli("status").stdout


def _drift(bound: Bound) -> dict[str, Callable[[], object]]:
    """What happens to the host's side of the interface."""
    node, port = bound.node, port_of(bound.node, "vm", IFNAME)
    return {
        "tag": lambda: node.ovs.vsctl("set", "Port", port, "tag=99"),
        "port": lambda: node.ovs.vsctl("del-port", port),
        "down": lambda: run_in(node.namespace, ["ip", "link", "set", port, "down"]),
        "mtu": lambda: run_in(node.namespace, ["ip", "link", "set", port, "mtu", "1300"]),
        "trunks": lambda: node.ovs.vsctl("set", "Port", port, "trunks=7"),
        "name": lambda: run_in(node.namespace, ["ip", "link", "set", port, "name", "other0"]),
        "other bridge": lambda: _move_port(node, port),
    }


def _move_port(node: Node, port: str) -> None:
    row = node.ovs.vsctl("--bare", "--columns=_uuid", "find", "Port", f"name={port}").strip()
    other = ("--may-exist", "add-br", "br-other", "--", "set", "Bridge", "br-other", "datapath_type=netdev")
    node.ovs.vsctl(
        *other, "--", "remove", "Bridge", BRIDGE, "ports", row, "--", "add", "Bridge", "br-other", "ports", row
    )


@pytest.mark.parametrize("kind", ["tag", "port", "down", "mtu", "trunks", "name", "other bridge"])
def test_the_hosts_side_is_repaired_under_a_guest(bound: Bound, kind: str) -> None:
    bound.attach()
    bound.bind()
    before, repairs = bound.ends(), bound.repairs()
    _drift(bound)[kind]()
    bound.node.wait_until(lambda: bound.repairs() > repairs, "the host's side is repaired")
    bound.node.wait_attached("vm", "other")
    assert bound.ends() == before
    assert bound.reachable()


def test_an_edited_nad_moves_no_guest(bound: Bound) -> None:
    """The port is repaired in place, on the VLAN that it had."""
    bound.attach()
    bound.bind()
    before, repairs = bound.ends(), bound.repairs()
    bound.node.put("net.yaml", as_manifest(nad("net", vlan=200, pools=["new"]), *POOLS))
    bound.node.wait_until(lambda: _shown(bound.node)["outdated"], "the edit is seen")
    bound.node.ovs.vsctl("del-port", port_of(bound.node, "vm", IFNAME))
    bound.node.wait_until(lambda: bound.repairs() > repairs, "the port is repaired")
    assert bound.ends() == before
    assert bound.reachable()
    assert IN_USE in bound.node.cli("status").stdout


def test_an_interface_that_is_given_back_is_repaired(bound: Bound) -> None:
    """The launcher has ended: it has its old name again and is no port any more, down and without addresses."""
    bound.attach()
    before = link(bound.vm, IFNAME)
    bound.bind()
    wait_checked(bound.node, ATTACHMENTS)
    nic = bound.binding.nic
    run_in(bound.vm, ["ip", "link", "set", nic, "nomaster", "down"])
    bound.binding.remove()
    run_in(bound.vm, ["ip", "link", "set", nic, "name", IFNAME])
    bound.node.wait_until(lambda: _same(link(bound.vm, IFNAME), before), "the interface is as it was attached")
    assert "in use" not in bound.node.cli("status").stdout


def _same(now: dict[str, Any], before: dict[str, Any]) -> bool:
    shown = ("address", "mtu", "operstate")
    inside = [
        [info["local"] for info in each.get("addr_info", ()) if info["scope"] == "global"] for each in (now, before)
    ]
    return inside[0] == inside[1] and all(now.get(key) == before.get(key) for key in shown)


def test_a_detach_takes_the_interface_out_of_the_bridge(bound: Bound) -> None:
    bound.attach()
    port = port_of(bound.node, "vm", IFNAME)
    bound.bind()
    bound.node.remove("vm.yaml")
    bound.node.wait_detached("vm")
    assert bound.binding.link(bound.binding.nic) == {}
    assert link(bound.node.namespace, port) == {}
    assert port not in bound.node.ovs.rows()["Port"]
    assert bound.binding.link(IFNAME), "the stand-in is the launcher's"
    assert bound.binding.link(bound.binding.bridge), "so is the bridge"


def test_a_guest_whose_link_was_deleted_is_degraded_and_gets_no_second_one(bound: Bound) -> None:
    """Only the launcher could connect its guest again: the stand-in has the name."""
    bound.attach()
    bound.bind()
    run_in(bound.vm, ["ip", "link", "del", bound.binding.nic])
    bound.node.wait_until(lambda: _shown(bound.node)["phase"] != "Attached", "the loss is reported")
    assert errors_of(bound.node.status(), "vm")
    bound.binding.remove()
    bound.node.wait_attached("vm", within=60)
    assert link(bound.vm, IFNAME)["linkinfo"]["info_kind"] == "veth"


def test_a_network_whose_pod_side_is_not_checked(bound: Bound) -> None:
    bound.attach(disableCheck=True)
    repairs = bound.repairs()
    run_in(bound.vm, ["ip", "link", "set", IFNAME, "down", "address", "02:00:00:00:00:99", "mtu", "1300"])
    run_in(bound.vm, ["ip", "address", "flush", "dev", IFNAME])
    before = link(bound.vm, IFNAME)
    wait_checked(bound.node, ATTACHMENTS)
    assert (link(bound.vm, IFNAME), bound.repairs()) == (before, repairs)
    assert _shown(bound.node)["phase"] == "Attached"
    bound.node.ovs.vsctl("del-port", port_of(bound.node, "vm", IFNAME))
    bound.node.wait_until(lambda: bound.repairs() == repairs + 1, "the host's side is checked all the same")
    assert link(bound.vm, IFNAME) == before
