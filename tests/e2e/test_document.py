"""The examples of the document on secondary networks, and what follows from its rules, through `secnet apply`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from secnet_conformance.snapshot import HostSnapshot
from secnet_testing.netns import ping, run_in
from secnet_testing.node import BRIDGE, Node
from secnet_testing.node_inspection import addresses, apply, link, network, picture, port_of, unchanged, write
from secnet_testing.objects import nad, pod, pool

pytestmark = pytest.mark.ovs

SAMPLE = "sample-pod-secondary-network-vlan"
LIST = [{"name": "vlan100"}, {"name": "vlan200", "namespace": "networks", "interface": "eth200"}]
SHORT = "networks/vlan200@eth200"
IPAM = {"type": "antrea", "ippools": ["vlan100-ipv4", "vlan100-ipv6"]}
STATIC = {
    "type": "static",
    "addresses": [{"address": "10.9.0.5/24", "gateway": "10.9.0.1"}, {"address": "fd00:9::5/64"}],
    "routes": [{"dst": "10.99.0.0/16"}],
    "dns": {"nameservers": ["10.9.0.53"], "search": ["example.com"]},
}


@dataclass(frozen=True, kw_only=True)
class Applied:
    """A node on which everything was applied at once. before: the node as it was, output: what `apply` printed."""

    node: Node
    before: HostSnapshot
    output: str

    def status(self, pod_name: str, ifname: str) -> dict[str, Any]:
        """The network-status entry of an interface."""
        found = [entry for entry in self.node.network_status(pod_name) if entry.get("interface") == ifname]
        assert len(found) == 1
        return found[0]


def _objects(node: Node) -> list[dict[str, Any]]:
    def at(name: str, networks: Any) -> dict[str, Any]:
        return pod(name, node.pod(name).path, networks)

    return [
        nad("vlan100", vlan=100, mtu=1500, ipam=IPAM),
        nad("vlan200", namespace="networks", vlan=200, pools=["vlan200-ipv4"]),
        nad("no-ipam", vlan=100),
        nad("static", vlan=9, ipam=STATIC),
        nad("of-pool", pools=["pool-300"]),
        nad("over-pool", vlan=301, pools=["pool-300"]),
        pool("vlan100-ipv4", "10.100.0.0/24", gateway="10.100.0.1", prefix=24, vlan=100),
        pool("vlan100-ipv6", "fd00:100::/112", gateway="fd00:100::1", prefix=64, vlan=100),
        pool("vlan200-ipv4", "10.200.0.10-10.200.0.20", gateway="10.200.0.1", prefix=24),
        pool("pool-300", "10.30.0.0/24", gateway="10.30.0.1", prefix=24, vlan=300),
        at(SAMPLE, LIST),
        at("short", SHORT),
        at("mac", [{"name": "vlan100", "mac": "02:00:00:AA:BB:CC"}]),
        at("no-ipam", "no-ipam"),
        at("static", "static"),
        at("pools", "of-pool,over-pool"),
    ]


@pytest.fixture(scope="module")
def applied(module_node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    """Everything of the document, applied; taken away by `secnet delete`, after which nothing may be left."""
    folder = tmp_path_factory.mktemp("manifests")
    apply(module_node, folder)  # no object yet: makes the bridge, which is the node's and stays
    objects = _objects(module_node)
    before = picture(module_node)
    output = apply(module_node, folder, *objects)
    yield Applied(node=module_node, before=before, output=output)
    done = module_node.cli("delete", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    unchanged(before, module_node)


def test_two_networks_one_of_another_namespace(applied: Applied) -> None:
    ns = applied.node.pod(SAMPLE)
    v4, v6 = addresses(ns, "eth1")
    assert v4.startswith("10.100.0.")
    assert v4.endswith("/24")
    assert v6.startswith("fd00:100::")
    assert v6.endswith("/64")
    assert [item.split(".")[:3] for item in addresses(ns, "eth200")] == [["10", "200", "0"]]
    assert link(ns, "eth1")["mtu"] == link(ns, "eth200")["mtu"] == 1500
    rows = applied.node.ovs.rows()["Port"]
    ports = {ifname: port_of(applied.node, SAMPLE, ifname) for ifname in ("eth1", "eth200")}
    assert (rows[ports["eth1"]]["tag"], rows[ports["eth200"]]["tag"]) == (100, 200)
    assert set(ports.values()) <= set(applied.node.ovs.rows()["Bridge"][BRIDGE]["ports"])


def test_pods_of_one_network_talk_over_both_families(applied: Applied) -> None:
    sample, other = applied.node.pod(SAMPLE), applied.node.pod("mac")
    for address in addresses(other, "eth1"):
        assert ping(sample, address.split("/")[0], source="eth1")


def test_short_form_with_interface_name(applied: Applied) -> None:
    assert addresses(applied.node.pod("short"), "eth200")[0].startswith("10.200.0.")
    assert link(applied.node.pod("short"), "eth1") == {}


def test_requested_mac(applied: Applied) -> None:
    assert link(applied.node.pod("mac"), "eth1")["address"] == "02:00:00:aa:bb:cc"
    assert applied.status("mac", "eth1")["mac"] == "02:00:00:aa:bb:cc"


def test_without_ipam_there_is_a_link_and_no_address(applied: Applied) -> None:
    eth1 = link(applied.node.pod("no-ipam"), "eth1")
    assert "UP" in eth1["flags"]
    assert "LOWER_UP" in eth1["flags"]
    assert addresses(applied.node.pod("no-ipam"), "eth1") == []
    assert "ips" not in applied.status("no-ipam", "eth1")


def test_static_addresses_routes_and_dns(applied: Applied) -> None:
    ns = applied.node.pod("static")
    assert addresses(ns, "eth1") == ["10.9.0.5/24", "fd00:9::5/64"]
    routes = json.loads(run_in(ns, ["ip", "-j", "route", "show", "10.99.0.0/16"]))
    assert [(route["gateway"], route["dev"]) for route in routes] == [("10.9.0.1", "eth1")]
    entry = applied.status("static", "eth1")
    assert entry["ips"] == ["10.9.0.5", "fd00:9::5"]
    assert entry["dns"] == {"nameservers": ["10.9.0.53"], "search": ["example.com"]}


def test_the_vlan_of_the_pool_counts_unless_the_nad_has_one(applied: Applied) -> None:
    rows = applied.node.ovs.rows()["Port"]
    tags = {ifname: rows[port_of(applied.node, "pools", ifname)]["tag"] for ifname in ("eth1", "eth2")}
    assert tags == {"eth1": 300, "eth2": 301}
    assert len({addresses(applied.node.pod("pools"), ifname)[0] for ifname in tags}) == 2


def test_network_status_as_its_clients_read_it(applied: Applied) -> None:
    entries = applied.node.network_status(SAMPLE)
    assert [entry["name"] for entry in entries] == ["default", "default/vlan100", "networks/vlan200"]
    assert [entry["default"] for entry in entries] == [True, False, False]
    ns = applied.node.pod(SAMPLE)
    for entry in entries[1:]:
        inside = link(ns, entry["interface"])
        assert (entry["mac"], entry["mtu"]) == (inside["address"], inside["mtu"])
        assert entry["ips"] == [item.split("/")[0] for item in addresses(ns, entry["interface"])]
        # None of them carries the default route, so none names a gateway.
        assert "gateway" not in entry


def test_apply_prints_one_line_a_network(applied: Applied) -> None:
    lines = [line for line in applied.output.splitlines() if f"Pod default/{SAMPLE}: " in line]
    assert [line.split(": ")[1] for line in lines] == ["eth1 on default/vlan100", "eth200 on networks/vlan200"]
    v4, v6 = addresses(applied.node.pod(SAMPLE), "eth1")
    assert f"Attached {v4},{v6} VLAN 100 MAC {link(applied.node.pod(SAMPLE), 'eth1')['address']}" in lines[0]


def test_status_as_table_and_as_json(applied: Applied) -> None:
    table = applied.node.cli("status")
    assert table.returncode == 0
    row = next(line.split() for line in table.stdout.splitlines() if line.startswith("default/short"))
    address = addresses(applied.node.pod("short"), "eth200")[0]
    assert row[1:8] == ["networks/vlan200", "eth200", "vlan", "Attached", address, "200", BRIDGE]
    status = applied.node.status()
    entry = network(status, "short", "eth200")
    assert (entry["phase"], entry["vlan"], entry["addresses"]) == ("Attached", 200, [address])
    assert status["problems"] == []


def test_get_shows_live_objects(applied: Applied) -> None:
    listed = applied.node.cli("get", "ippools").stdout.splitlines()
    assert listed[0].split() == ["NAME", "TOTAL", "USED", "VLAN", "TERMINATING"]
    assert ["vlan200-ipv4", "11", "2", "-", "-"] in [line.split() for line in listed]
    one = json.loads(applied.node.cli("get", "pod", SAMPLE, "-o", "json").stdout)
    assert one["metadata"]["uid"]
    assert one["metadata"]["resourceVersion"]
    nads = yaml.safe_load(applied.node.cli("get", "net-attach-def", "-n", "networks", "-o", "yaml").stdout)
    assert [item["metadata"]["name"] for item in nads["items"]] == ["vlan200"]


def test_the_pool_names_the_holder_of_each_address(applied: Applied) -> None:
    live = json.loads(applied.node.cli("get", "ippool", "vlan200-ipv4", "-o", "json").stdout)
    held = {
        entry["owner"]["pod"]["name"]: (entry["ipAddress"], entry["phase"], entry["owner"]["pod"]["ifName"])
        for entry in live["status"]["ipAddresses"]
    }
    assert held == {
        name: (addresses(applied.node.pod(name), "eth200")[0].split("/")[0], "Allocated", "eth200")
        for name in (SAMPLE, "short")
    }
    assert live["status"]["usage"] == {"total": 11, "used": 2}


def test_applied_again_nothing_changes(applied: Applied, tmp_path: Path) -> None:
    node = applied.node
    now, versions = picture(node), _versions(node)
    done = node.cli("apply", write(tmp_path, *_objects(node)))
    assert done.returncode == 0
    assert {line.split()[-1] for line in done.stdout.splitlines() if "Attached" not in line} == {"unchanged"}
    unchanged(now, node)
    assert _versions(node) == versions


def _versions(node: Node) -> dict[tuple[str, str], str]:
    objects = [obj for kind in ("Pod", "NetworkAttachmentDefinition", "IPPool") for obj in node.store.list(kind)]
    return {(obj["kind"], obj["metadata"]["name"]): obj["metadata"]["resourceVersion"] for obj in objects}
