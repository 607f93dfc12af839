"""What a cluster says of itself when a test in it has failed: for a reader who has only the printed text of a run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from .cluster import Cluster

__all__ = ["situation"]

_LINES = 25
_ASKED = {
    "nodes": ("get", "nodes", "-o", "wide"),
    "conditions and taints of the nodes": (
        *("get", "nodes", "-o"),
        "jsonpath={range .items[*]}{.metadata.name}: {range .status.conditions[*]}{.type}={.status} since "
        '{.lastTransitionTime} ({.reason}); {end}taints {.spec.taints}{"\\n"}{end}',
    ),
    "Pods": ("get", "pods", "-A", "-o", "wide"),
    "latest events": ("get", "events", "-A", "--sort-by=.lastTimestamp"),
}


def situation(cluster: Cluster) -> str:
    """Nodes, Pods and the last events, and the last lines of the agents and kubelets that can be reached.

    What cannot be asked is replaced by the reason.
    """
    return "\n".join(f"--- {title}\n{text}" for title, text in _parts(cluster))


def _parts(cluster: Cluster) -> Iterator[tuple[str, str]]:
    for title, command in _ASKED.items():
        yield title, _last_lines(_answer(cluster, *command))
    for node in cluster.nodes.values():
        if not node.running:
            yield node.name, "is switched off"
            continue
        try:
            yield f"agent on {node.name}", _last_lines(node.agent_log())
        except (AssertionError, subprocess.TimeoutExpired) as exc:
            yield f"agent on {node.name}", str(exc)
        yield f"kubelet on {node.name}", _last_lines((node.folder / "log/kubelet.log").read_text("utf-8", "replace"))


def _answer(cluster: Cluster, *command: str) -> str:
    try:
        return cluster.kubectl(*command, timeout=20)
    except (AssertionError, subprocess.TimeoutExpired) as exc:
        return str(exc)


def _last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-_LINES:])
