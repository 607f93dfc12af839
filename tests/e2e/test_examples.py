"""Every directory of examples/, as it stands there: valid, applied, and doing what its README says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from secnet.agent.cluster.files.cluster import load_manifests
from secnet_conformance.needs import requires_root
from secnet_testing.netns import Namespace, ping, run_in
from secnet_testing.node import Node, NodeFactory
from secnet_testing.node_inspection import addresses, link, only_one, port_of, secnet

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir() and path.name != "demo")

Check = Callable[[Node, dict[str, Namespace]], None]


def _manifests(name: str) -> Path:
    inner = EXAMPLES / name / "manifests"
    return inner if inner.is_dir() else EXAMPLES / name


@pytest.fixture
def namespaces() -> Iterator[Callable[[str], dict[str, Namespace]]]:
    """Makes the namespaces that an example's Pods name, by Pod name."""
    requires_root()
    made: list[Namespace] = []

    def make(example: str) -> dict[str, Namespace]:
        pods = [item.object for item in load_manifests(_manifests(example)) if item.object["kind"] == "Pod"]
        found = {}
        for pod in pods:
            path = Path(pod["metadata"]["annotations"]["secnet.io/netns"])
            assert path.name.startswith("sn-")
            found[pod["metadata"]["name"]] = Namespace(name=path.name)
            run_in(None, ["ip", "netns", "add", path.name])
            made.append(found[pod["metadata"]["name"]])
            run_in(made[-1], ["ip", "link", "set", "lo", "up"])
        return found

    with only_one("examples"):  # their namespaces have fixed names
        try:
            yield make
        finally:
            for ns in made:
                run_in(None, ["ip", "netns", "del", ns.name])


def _vlan_with_pools(node: Node, pods: dict[str, Namespace]) -> None:
    assert node.ovs.rows()["Port"][port_of(node, "db", "storage")]["tag"] == 100
    found = addresses(pods["db"], "storage")
    assert [address.split("/")[1] for address in found] == ["24", "64"]
    assert all(ping(pods["web"], address.split("/")[0]) for address in found)


def _static_addresses(node: Node, pods: dict[str, Namespace]) -> None:
    assert addresses(pods["appliance"], "eth1") == ["10.30.0.5/24", "fd00:30::5/64"]
    assert addresses(pods["client"], "eth1") == ["10.30.0.150/24"]
    assert link(pods["client"], "eth1")["address"] == "02:00:00:30:01:50"
    assert "10.31.0.0/16 via 10.30.0.1" in run_in(pods["appliance"], ["ip", "route"])
    assert ping(pods["client"], "10.30.0.5")


def _layer2_only(node: Node, pods: dict[str, Namespace]) -> None:
    assert addresses(pods["router"], "lan") == []
    assert link(pods["router"], "lan")["mtu"] == 1400
    run_in(pods["router"], ["ip", "address", "add", "192.0.2.1/24", "dev", "lan"])
    run_in(pods["host"], ["ip", "address", "add", "192.0.2.2/24", "dev", "lan"])
    assert ping(pods["host"], "192.0.2.1")


def _untagged(node: Node, pods: dict[str, Namespace]) -> None:
    port = node.ovs.rows()["Port"][port_of(node, "left", "eth1")]
    assert (port["tag"], port["vlan_mode"]) == (0, "access")
    assert "untagged" in node.cli("status").stdout
    assert ping(pods["left"], addresses(pods["right"], "eth1")[0].split("/")[0])


def _default_route(node: Node, pods: dict[str, Namespace]) -> None:
    assert "default via 10.62.0.1 dev eth2" in run_in(pods["edge"], ["ip", "route"])
    entries = {entry.get("interface"): entry for entry in node.network_status("edge")}
    assert entries["eth2"]["gateway"] == ["10.62.0.1"]
    run_in(pods["gateway"], ["ip", "address", "add", "198.51.100.1/32", "dev", "lo"])
    assert ping(pods["edge"], "198.51.100.1"), "what is for no subnet goes to the gateway"


def _node_with_uplinks(node: Node, pods: dict[str, Namespace]) -> None:
    bridges = node.ovs.rows()["Bridge"]
    ports = {ifname: port_of(node, "app", ifname) for ifname in ("eth1", "eth-storage")}
    assert {"eth1", ports["eth1"]} <= set(bridges["br-secondary"]["ports"])
    assert {"eth2", ports["eth-storage"]} <= set(bridges["br-storage"]["ports"])
    assert bridges["br-storage"]["mcast_snooping_enable"]
    assert link(pods["app"], "eth-storage")["mtu"] == 9000


def _antrea_agent_conf(node: Node, pods: dict[str, Namespace]) -> None:
    port = port_of(node, "moved", "eth100")
    assert {"eth1", port} <= set(node.ovs.rows()["Bridge"]["br-secondary"]["ports"])
    assert node.ovs.rows()["Port"][port]["tag"] == 100
    assert [address.split("/")[1] for address in addresses(pods["moved"], "eth100")] == ["24"]
    assert "br-int" not in node.ovs.rows()["Bridge"], "Antrea's primary bridge is no business of ours"


CHECKS: dict[str, Check] = {
    "antrea-agent-conf": _antrea_agent_conf,
    "default-route": _default_route,
    "layer2-only": _layer2_only,
    "node-with-uplinks": _node_with_uplinks,
    "static-addresses": _static_addresses,
    "untagged": _untagged,
    "vlan-with-pools": _vlan_with_pools,
}


def _configure(node: Node, name: str) -> None:
    """Take the example's node configuration, with the test's own directories and switch in place of the system's."""
    own = EXAMPLES / name / "node.yaml"
    content: dict[str, Any] = yaml.safe_load((own if own.exists() else EXAMPLES / "node.yaml").read_text())
    bridges = content.get("ovsBridges") or content["secondaryNetwork"]["ovsBridges"]
    for bridge in bridges:
        for uplink in bridge.get("physicalInterfaces", ()):
            run_in(
                node.namespace,
                ["ip", "link", "add", uplink, "mtu", "9000", "type", "veth", "peer", "name", f"{uplink}-far"],
            )
    node.configure(**{"ovsBridges": None, **content}, manifests=None)


def test_each_example_has_a_check_and_a_readme() -> None:
    assert sorted(CHECKS) == NAMES
    assert all((EXAMPLES / name / "README.md").exists() for name in NAMES)
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"`{name}/`" not in index] == []


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_valid(name: str) -> None:
    own = EXAMPLES / name / "node.yaml"
    done = secnet("validate", _manifests(name), own if own.exists() else EXAMPLES / "node.yaml")
    assert done.returncode == 0, done.stdout


@pytest.mark.ovs
@pytest.mark.parametrize("name", NAMES)
def test_an_example_does_what_it_says(
    node_factory: NodeFactory, namespaces: Callable[[str], dict[str, Namespace]], name: str
) -> None:
    node = node_factory()
    _configure(node, name)
    pods = namespaces(name)
    done = node.cli("apply", _manifests(name), "--timeout", "30")
    assert done.returncode == 0, done.stdout + done.stderr
    CHECKS[name](node, pods)
    done = node.cli("delete", _manifests(name))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [os.listdir(node.run_dir / "journal"), node.store.list("Pod")] == [[], []]
