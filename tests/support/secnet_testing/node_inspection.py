"""What the end-to-end tests share: a look at Pods from inside, a picture of the whole node, and a clean one again."""

from __future__ import annotations

import fcntl
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from secnet.agent.model.problem import Problem
from secnet.agent.state.reports import Reports
from secnet.contract import ObjectNotFound
from secnet_conformance.snapshot import HostSnapshot, diff

from .netns import Namespace, run_in
from .node import Node
from .objects import as_manifest
from .secnet_command import run_secnet

__all__ = [
    "addresses",
    "apply",
    "clear",
    "errors_of",
    "exists",
    "identity",
    "link",
    "network",
    "only_one",
    "picture",
    "port_of",
    "problems",
    "secnet",
    "unchanged",
    "wait_error",
    "write",
]

_KINDS = ("Pod", "NetworkAttachmentDefinition", "IPPool")


def link(ns: Namespace, ifname: str) -> dict[str, Any]:
    """A Pod's interface as `ip -d -j address` shows it; empty without one."""
    found = json.loads(run_in(ns, ["ip", "-d", "-j", "address", "show"]) or "[]")
    return next((item for item in found if item["ifname"] == ifname), {})


def addresses(ns: Namespace, ifname: str) -> list[str]:
    """The global addresses of a Pod's interface, each with prefix length, IPv4 first."""
    infos = [info for info in link(ns, ifname).get("addr_info", ()) if info["scope"] == "global"]
    return [f"{info['local']}/{info['prefixlen']}" for info in sorted(infos, key=lambda info: info["family"])]


def identity(ns: Namespace, ifname: str) -> tuple[object, ...]:
    """What shows that a Pod's interface is the same one, and as it was: index, MAC, MTU, global addresses."""
    found = link(ns, ifname)
    return (found.get("ifindex"), found.get("address"), found.get("mtu"), *addresses(ns, ifname))


def port_of(node: Node, pod: str, ifname: str) -> str:
    """The name of the OVS port of a Pod's interface, from the journal."""
    found = [r for r in node.records() if r.pod and r.pod.name == pod and r.key.ifname == ifname]
    assert len(found) == 1, f"{pod} {ifname} has {len(found)} records"
    return str(found[0].attachment.names["host"])


def network(status: Mapping[str, Any], pod: str, ifname: str) -> dict[str, Any]:
    """The entry of one interface in what `secnet status --json` prints."""
    found = [
        network
        for report in status["pods"]
        if report["pod"]["name"] == pod
        for network in report["networks"]
        if network["interface"] == ifname
    ]
    assert len(found) == 1, f"{pod} {ifname} stands {len(found)} times in {json.dumps(status, indent=1)}"
    return dict(found[0])


def errors_of(status: Mapping[str, Any], pod: str) -> list[dict[str, Any]]:
    """Every error that the status shows for a Pod: its own, then those of its networks."""
    reports = [report for report in status["pods"] if report["pod"]["name"] == pod]
    found = [report.get("error") for report in reports]
    found += [network.get("error") for report in reports for network in report["networks"]]
    return [error for error in found if error]


def wait_error(node: Node, pod: str) -> None:
    """Wait until the agent reports an error of a Pod."""
    node.wait_until(lambda: _reported(node, pod), f"an error of Pod {pod}")


def problems(node: Node) -> list[Problem]:
    """What the agent reports about the manifests, without the notes; `secnet status` prints the same."""
    return [problem for problem in Reports(node.run_dir).problems() if not problem.note]


def _reported(node: Node, pod: str) -> bool:
    report = node.report(pod)
    return report is not None and (report.error is not None or any(item.error for item in report.networks))


def write(folder: Path, *objects: dict[str, Any], name: str = "objects.yaml") -> Path:
    """Write objects as one file of a directory, made if needed; returns the directory."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(as_manifest(*objects), encoding="utf-8")
    return folder


def apply(node: Node, folder: Path, *objects: dict[str, Any]) -> str:
    """`secnet apply` of these objects, which must succeed; returns what it printed."""
    done = node.cli("apply", write(folder, *objects), "--timeout", "30")
    assert done.returncode == 0, f"apply failed:\n{done.stdout}{done.stderr}\n{node.logs()}"
    return done.stdout


def secnet(*args: str | Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a `secnet` command that needs no node."""
    return run_secnet(*args, timeout=timeout)


@contextmanager
def only_one(what: str) -> Iterator[None]:
    """Wait until no other test run on this machine does the same: it uses names that are not its own."""
    with open(Path(tempfile.gettempdir(), f"secnet-test-{what}.lock"), "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def picture(node: Node) -> HostSnapshot:
    """The node, its Pods, its switch, the pools' addresses and the journal, to be compared."""
    paths = {"node": node.namespace.path} | {name: ns.path for name, ns in node.pods.items()}
    snapshot = HostSnapshot.take(paths, current=False, netns_dir=node.folder / "nowhere")
    held = {
        pool["metadata"]["name"]: (pool.get("status") or {}).get("ipAddresses") or []
        for pool in node.store.list("IPPool")
    }
    journal = {str(record.key): str(record.phase) for record in node.records()}
    return (
        snapshot.with_section("ovs", node.ovs.rows())
        .with_section("pools", {name: entries for name, entries in held.items() if entries})
        .with_section("journal", journal)
    )


def unchanged(before: HostSnapshot, node: Node) -> None:
    """AssertionError with what differs from an earlier picture."""
    lines = diff(before, picture(node))
    assert not lines, "\n".join(lines)


def clear(node: Node, folder: Path) -> None:
    """Take all objects, and what was made of them, away; the Pods' namespaces too."""
    for file in node.manifests.iterdir():
        file.unlink()
    running = any(process.running for process in node.agents)
    if running:
        # What a file named is the watcher's to delete, and would come back if it were deleted here.
        node.wait_until(lambda: not _from_files(node), "what the manifests said is gone")
    objects = [obj for kind in _KINDS for obj in node.store.list(kind)]
    if objects:
        done = node.cli("delete", write(folder, *map(_bare, objects)), "--timeout", "20")
        assert done.returncode == 0, f"delete failed:\n{done.stdout}{done.stderr}\n{node.logs()}"
    if running:
        # The next test may use the same Pod name, and must not see the report of this one.
        node.wait_until(lambda: not (Reports(node.run_dir).pods() or node.records()), "no Pod has a report or a record")
    for name in node.pods:
        node.delete_pod_namespace(name)


def exists(node: Node, kind: str, name: str, namespace: str = "default") -> bool:
    """Whether the store holds an object."""
    try:
        node.store.get(kind, name, namespace)
    except ObjectNotFound:
        return False
    return True


def _from_files(node: Node) -> list[str]:
    folder = str(node.manifests)
    return [source for source in node.store.sources().values() if source.startswith(folder)]


def _bare(obj: dict[str, Any]) -> dict[str, Any]:
    meta = {key: obj["metadata"][key] for key in ("name", "namespace") if key in obj["metadata"]}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": meta}
