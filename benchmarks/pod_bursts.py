"""One burst: Pods created at once on the nodes of a cluster, each timed until it is Ready, then deleted."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass

from secnet_testing.kubernetes.cluster import LocalCluster, Object
from secnet_testing.kubernetes.pods import pod

from .pod_agents import Agents, Requests
from .pod_watch import ReadyWatch
from .proc import busy

__all__ = ["CALM_WINDOWS", "CONDITION", "Burst", "Bursts"]

CONDITION = "secnet.io/SecondaryNetworksReady"
_READY_SECONDS = 600.0
_CALM = 0.4
_CALM_SECONDS = 2.0
CALM_WINDOWS = 15
_POOLS = "/apis/crd.antrea.io/v1beta1/ippools"


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """ready: seconds from the request that created a Pod until it was Ready, for each. whole: from the first such request until
    all were. busy: the share of the machine's CPU time that was in use just before. rss: MB of the agents, cpu: seconds that
    they used, by node. requests: what the agents sent, from the first creation until they were still.
    """

    ready: list[float]
    whole: float
    busy: float
    rss: dict[str, float]
    cpu: dict[str, float]
    requests: dict[str, int]


class Bursts:
    """watch: of the namespace, which has the networks that the Pods ask for. windows: of two seconds each, in which the machine
    may become calm before a burst.
    """

    def __init__(self, cluster: LocalCluster, namespace: str, watch: ReadyWatch, windows: int = CALM_WINDOWS) -> None:
        self.cluster, self.namespace = cluster, namespace
        self._watch, self._windows = watch, windows
        self._agents = Agents(cluster)
        self._numbers = itertools.count()

    def run(self, networks: str | None, count: int, *, gate: bool = False) -> Burst:
        """networks: the annotation. gate: the Pods wait for the condition of their networks.

        The Pods are gone afterwards, and their addresses are given back.
        """
        before = _calm(self._windows)
        requests, cpu = Requests(self.cluster), self._agents.cpu()
        created = self._create(networks, count, gate)
        seen = self._watch.wait_ready(created, _READY_SECONDS)
        rss = self._agents.rss()
        sent = requests.settled()
        used = self._agents.cpu()
        self._delete(created)
        return Burst(
            ready=[round(seen[name] - start, 3) for name, start in created.items()],
            whole=round(max(seen.values()) - min(created.values()), 3),
            busy=before,
            rss=rss,
            cpu={node: round(used[node] - cpu[node], 2) for node in used if node in cpu},
            requests=dict(sent),
        )

    def idle(self, networks: str, count: int, seconds: float) -> dict[str, object]:
        """MB of the agents, and percent of a core that they use with so many Pods when nothing is asked of them, by node."""
        requests = Requests(self.cluster)
        created = self._create(networks, count, gate=False)
        self._watch.wait_ready(created, _READY_SECONDS)
        requests.settled()
        before = self._agents.cpu()
        time.sleep(seconds)
        after = self._agents.cpu()
        found: dict[str, object] = {
            "pods": count,
            "rss_mb": self._agents.rss(),
            "cpu_percent": {node: round(100 * (after[node] - before[node]) / seconds, 2) for node in after},
        }
        self._delete(created)
        return found

    def _create(self, networks: str | None, count: int, gate: bool) -> dict[str, float]:
        """Create Pods, on the nodes in turn; when, for each."""
        spec = {"readinessGates": [{"conditionType": CONDITION}]} if gate else {}
        created = {}
        for node in itertools.islice(itertools.cycle(self.cluster.nodes), count):
            made = pod(f"p{next(self._numbers)}", networks, node=node, **spec)
            made["metadata"]["namespace"] = self.namespace
            created[made["metadata"]["name"]] = time.monotonic()
            self.cluster.admin.create(made)
        return created

    def _delete(self, created: Mapping[str, float]) -> None:
        self.cluster.kubectl("-n", self.namespace, "delete", "pods", "--wait", *created, timeout=_READY_SECONDS)
        self.cluster.wait(lambda: not self._addresses(), "the addresses are given back", _READY_SECONDS)

    def _addresses(self) -> list[Object]:
        """Pools of this benchmark that still have addresses in use."""
        pools = [
            each for each in self.cluster.admin.items(_POOLS) if each["metadata"]["name"].startswith(self.namespace)
        ]
        return [each for each in pools if (each.get("status") or {}).get("ipAddresses")]


def _calm(windows: int) -> float:
    """Wait for the end of what the burst before has left to do, but not for ever; how busy the machine was in the last window."""
    found = 0.0
    for _ in range(windows):
        found = busy(_CALM_SECONDS)
        if found <= _CALM:
            break
    return found
