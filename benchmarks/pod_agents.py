"""What the agents of a cluster use: memory and CPU time on each node, and requests to the API."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

from secnet_testing.kubernetes.cluster import LocalCluster

from .proc import cpu_seconds, status

__all__ = ["Agents", "Requests"]

_ACCOUNT = "system:serviceaccount:secnet-system:secnet-agent"
_AGENT = "secnet-agent"
_STILL_SECONDS, _LIMIT_SECONDS, _POLL_SECONDS = 2.0, 20.0, 0.25


class Agents:
    """The processes of `secnet agent` at the moment of each call; nodes without one are left out."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster

    def cpu(self) -> dict[str, float]:
        """CPU seconds since their start, by node."""
        return {node: sum(cpu_seconds(pid, proc) for pid in pids) for node, proc, pids in self._processes()}

    def rss(self) -> dict[str, float]:
        """Resident memory in MB, by node."""
        return {
            node: round(sum(status(pid, proc)["VmRSS"] for pid in pids) / 1024, 1)
            for node, proc, pids in self._processes()
        }

    def _processes(self) -> list[tuple[str, Path, list[int]]]:
        found = [(name, node.root / "proc", node.pids("secnet")) for name, node in self._cluster.nodes.items()]
        return [each for each in found if each[2]]


class Requests:
    """The agents' requests since this was made, by the audit log: without watches, and without those for leases of agents."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._log = cluster.plane.audit_log
        self._start = self._log.stat().st_size if self._log.exists() else 0

    def count(self) -> Counter[str]:
        """How often each was sent, such as `patch pods/status`."""
        if not self._log.exists():
            return Counter()
        with self._log.open("rb") as log:
            log.seek(self._start)
            lines = [line for line in log.read().splitlines() if line.endswith(b"}")]
        return Counter(words for line in lines if (words := _in_words(line)))

    def settled(self) -> Counter[str]:
        """The count when none was added for two seconds: Events are sent after all else."""
        deadline = time.monotonic() + _LIMIT_SECONDS
        counted, since = self.count(), time.monotonic()
        while time.monotonic() < min(deadline, since + _STILL_SECONDS):
            time.sleep(_POLL_SECONDS)
            if (now := self.count()) != counted:
                counted, since = now, time.monotonic()
        return counted


def _in_words(line: bytes) -> str:
    each = json.loads(line)
    target = each.get("objectRef") or {}
    if each["user"]["username"] != _ACCOUNT or each.get("userAgent") != _AGENT or each["verb"] == "watch":
        return ""
    if target.get("resource") in (None, "leases"):
        return ""
    sub = target.get("subresource")
    return f"{each['verb']} {target['resource']}{f'/{sub}' if sub else ''}"
