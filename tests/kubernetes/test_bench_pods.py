"""The benchmark of Pods measures what it promises on a real cluster. How fast anything is, no test asks."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from secnet_testing.kubernetes.cluster import LocalCluster
from secnet_testing.kubernetes.namespace import OwnNamespace

from benchmarks.pod_bursts import Bursts
from benchmarks.pod_report import report
from benchmarks.pod_rivals import Chained, networks
from benchmarks.pod_watch import ready_watch
from benchmarks.pods import measure

PODS = 2


PLAIN: dict[str, Any] = {
    "machine": {"cpu": "c", "cores": 2, "memory_mb": 1, "load_before": 0.0},
    "machine_after": {"load_before": 0.0},
    "kubernetes": "v1",
    "quick": True,
    "plugin": {"small": (took := {"p50_ms": 1.0, "max_ms": 1.0, "cpu_p50_ms": 1.0}), "large": took, "calls": 0},
    "not_measured": [],
}


class Installed(Chained):
    """The one that this cluster has already, and that stays."""

    def enter(self) -> None:
        pass

    def leave(self) -> None:
        pass


def test_a_round_of_one_rival(local_cluster: LocalCluster, namespace: OwnNamespace, tmp_path: Path) -> None:
    namespace.apply(*networks(namespace.name))
    with ready_watch(local_cluster, namespace.name) as watch:
        bursts = Bursts(local_cluster, namespace.name, watch, windows=1)
        # As the API server ends a watch: the benchmark goes on with another one.
        subprocess.run(["pkill", "-KILL", "-f", f"kubectl -n {namespace.name} get pods --watch"], check=True)
        rows = list(measure(bursts, [Installed(local_cluster, tmp_path)], [PODS], 1, print))
        idle = bursts.idle("blue", PODS, 1)
    assert [row["networks"] for row in rows] == ["none", "one", "two"]
    for row in rows:
        assert len(row["ready"]) == PODS
        assert 0 < min(row["ready"]) <= max(row["ready"]) <= row["whole"] + PODS
        assert set(row["rss"]) == set(row["cpu"]) == set(local_cluster.nodes)
        assert min(row["rss"].values()) > 1
    none, one, two = (row["requests"] for row in rows)
    assert one["create events"] == PODS
    assert one["patch pods/status"] >= PODS
    assert none.get("update ippools/status", 0) == 0
    for row, count in ((one, 1), (two, 2)):  # of IPv4 and IPv6 each; more where two agents meet in one pool
        assert row["update ippools/status"] >= 2 * count * PODS
    data: dict[str, Any] = {"bursts": rows, "idle": idle}
    assert "one network" in report(data | PLAIN)
