"""A picture of everything that a node's agent may change: kernel, switch, pools, journal, reports and status.

Two pictures are equal exactly when nothing differs that an agent decides. What others decide is left out, each for its reason:

- Versions, generations and times of objects and reports count the changes on the way and not the state. In place of a
  report's generation stands whether it answers the Pod as it is now.
- The kernel draws the MAC address of a veth's host end at random, and a bridge's own MAC address follows from its ports;
  that of the tap of the userspace datapath is drawn at each start.
- ovs-vswitchd makes a port's device promiscuous; when it closes an earlier one of the same name late, it ends that again.
- A report without networks and errors says the same as none.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secnet.agent.state.reports import Reports
from secnet.contract import to_json
from secnet_conformance.snapshot import HostSnapshot

from .node import STATUS, Node

__all__ = ["take", "take_settled"]

RANDOM = "(random)"
_NODE = "node"


def take(node: Node) -> HostSnapshot:
    """The picture of a node and its Pods as they are now."""
    namespaces: dict[str, int | str] = {_NODE: node.namespace.path}
    namespaces |= {f"Pod {name}": pod.path for name, pod in node.pods.items()}
    rows = {table: found for table, found in node.ovs.rows().items() if table != "Open_vSwitch"}
    kernel = HostSnapshot.take(namespaces, current=False, netns_dir=node.folder / "none").to_json()["namespaces"]
    _forget_what_others_decide(kernel[_NODE]["links"], rows)
    return HostSnapshot(
        data={
            "namespaces": kernel,
            "netns": {name: _identity(pod.path) for name, pod in node.pods.items()},
            "ovs": rows,
            "pools": _pools(node),
            "journal": _journal(node),
            "files": _files(node),
            "reports": _reports(node),
            "node": {state.network_type: to_json(state) for state in Reports(node.run_dir).node()},
            "status": _status(node),
        }
    )


def take_settled(node: Node) -> HostSnapshot:
    """The picture once ovs-vswitchd did all that the database asks for: it makes and removes its devices a little later."""
    # ovs-vsctl waits for ovs-vswitchd exactly when it changed something; the picture does not show this table.
    node.ovs.vsctl("set", "Open_vSwitch", ".", f"external_ids:settled={secrets.token_hex(4)}")
    return take(node)


def _forget_what_others_decide(links: dict[str, dict[str, Any]], rows: Mapping[str, Mapping[str, Any]]) -> None:
    for name, link in links.items():
        if name in ("ovs-netdev", *rows["Bridge"]) or (link["kind"] == "veth" and link["alias"]):
            link["mac"] = RANDOM
        if link["kind"] == "veth" and link["alias"]:
            link["flags"] = [flag for flag in link["flags"] if flag != "promisc"]


def _identity(path: str) -> str:
    found = Path(path).stat()
    return f"{found.st_dev}:{found.st_ino}"


def _pools(node: Node) -> dict[str, Any]:
    """The whole status of each pool: its entries and its usage."""
    return {pool["metadata"]["name"]: pool.get("status") or {} for pool in node.store.list("IPPool")}


def _journal(node: Node) -> dict[str, Any]:
    content = {}
    for path in sorted((node.run_dir / "journal").glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        for interface in (record.get("result") or {}).get("host_interfaces", ()):
            interface["mac"] = RANDOM
        content[path.name] = record
    return content


def _files(node: Node) -> list[str]:
    """Every file below the run directory but the reports, which come and go without a meaning: also a forgotten one."""
    paths = (path.relative_to(node.run_dir) for path in node.run_dir.rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if path.parent.name != "reports" or path.suffix != ".json")


def _reports(node: Node) -> dict[str, Any]:
    generations = {pod["metadata"]["uid"]: pod["metadata"]["generation"] for pod in node.store.list("Pod")}
    content = {}
    for report in Reports(node.run_dir).pods():
        if not report.networks and report.error is None:
            continue
        data = {key: value for key, value in to_json(report).items() if key not in ("updated", "revision")}
        data["generation"] = "current" if report.generation == generations.get(report.pod.uid) else "old"
        content[str(report.pod)] = data
    return content


def _status(node: Node) -> dict[str, Any]:
    """The network-status of each Pod of the store, entry by entry."""
    content = {}
    for pod in node.store.list("Pod"):
        meta = pod["metadata"]
        entries = json.loads((meta.get("annotations") or {}).get(STATUS) or "[]")
        named = {f"{entry['name']} {entry.get('interface', '')}": entry for entry in entries}
        assert len(named) == len(entries), f"two entries of one name and interface: {entries}"
        content[f"{meta['namespace']}/{meta['name']}"] = named
    return content
