"""From a Pod's creation to its readiness on a whole Kubernetes of two nodes, with and without secondary networks.

Rivals take turns in every round, in the other direction in every second one; of each, Pods without networks on the same nodes
are what is compared with. `make bench-pods`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from secnet_testing.cluster_node import compiled_plugin
from secnet_testing.documents import ROOT
from secnet_testing.kubernetes import binaries, secnet
from secnet_testing.kubernetes.cluster import LocalCluster
from secnet_testing.kubernetes.images import image_archive

from .machine import facts
from .plugin_calls import ordinary_pods
from .pod_bursts import CALM_WINDOWS, Bursts
from .pod_multus import Multus, Programs
from .pod_report import report
from .pod_rivals import NETWORKS, Asynchronous, Chained, Rival, networks
from .pod_watch import ready_watch

__all__ = ["measure"]

_NAMESPACE = "sn-bench"
_WARM_UP = 2
_IDLE_SECONDS = 60.0
_QUICK_PODS, _PODS = "3", "50,100"

Say = Callable[[str], None]


def measure(
    bursts: Bursts, rivals: Sequence[Rival], pods: Sequence[int], rounds: int, say: Say
) -> Iterator[dict[str, Any]]:
    """Rows with `rival`, `networks` (none, one, two), `pods`, `round`, and the fields of a Burst, as they are measured.

    pods: how many at once, each in turn. All rivals have left at the end.
    """
    standing: Rival | None = None
    for number in range(rounds):
        for rival in rivals if number % 2 == 0 else reversed(rivals):
            if rival is not standing:
                if standing is not None:
                    standing.leave()
                say(f"{rival.name}: installing it")
                rival.enter()
                standing = rival
                # Not counted: the first ones fill caches.
                bursts.run(rival.networks("two"), _WARM_UP, gate=rival.gate)
            for count in pods:
                say(f"round {number + 1} of {rounds}: {count} Pods, {rival.name}")
                yield from _kinds(bursts, rival, count, number)
    if standing is not None:
        standing.leave()


def _kinds(bursts: Bursts, rival: Rival, count: int, number: int) -> Iterator[dict[str, Any]]:
    for kind in NETWORKS:
        burst = bursts.run(rival.networks(kind), count, gate=rival.gate and kind != "none")
        yield {"rival": rival.name, "networks": kind, "pods": count, "round": number + 1, **asdict(burst)}


def main() -> int:
    """Measure, print the report, write the numbers."""
    arguments = _arguments()
    pods = [int(count) for count in (arguments.pods or (_QUICK_PODS if arguments.quick else _PODS)).split(",")]
    rounds = 1 if arguments.quick else arguments.rounds
    data: dict[str, Any] = {"machine": facts(), "quick": arguments.quick}
    data["kubernetes"] = binaries.kubernetes_version()
    data["not_measured"] = [] if arguments.programs else [f"{Multus.name}: no programs of it were given"]
    data["plugin"] = ordinary_pods(compiled_plugin(), 50 if arguments.quick else 1000)
    with _cluster() as cluster, tempfile.TemporaryDirectory(prefix="sn-bench-") as folder, ExitStack() as stack:
        watch = stack.enter_context(ready_watch(cluster, _NAMESPACE))
        bursts = Bursts(cluster, _NAMESPACE, watch, windows=1 if arguments.quick else CALM_WINDOWS)
        rivals: list[Rival] = [Chained(cluster, Path(folder)), Asynchronous(cluster, Path(folder))]
        if arguments.programs:
            rivals.append(Multus(cluster, _NAMESPACE, arguments.programs))
        data["bursts"] = []
        for row in measure(bursts, rivals, pods, rounds, _say):
            data["bursts"].append(row)
            _write(arguments.json, data)  # a run that breaks off leaves what it has
        data["idle"] = _idle(bursts, rivals[0], max(pods), 5 if arguments.quick else _IDLE_SECONDS)
    data["machine_after"] = facts()
    _write(arguments.json, data)
    print(report(data))
    return 0


def _write(path: Path, data: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pods", description=__doc__)
    parser.add_argument("--pods", metavar="N,N", help=f"how many Pods at once, each in turn (default: {_PODS})")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument(
        "--quick", action="store_true", help="one round of a few Pods: shows that it works, its numbers mean nothing"
    )
    parser.add_argument("--json", type=Path, default=Path("build/bench-pods.json"), metavar="FILE")
    given = parser.add_argument_group("Multus as a rival; all three or none")
    for option in ("--multus", "--ovs-cni", "--whereabouts"):
        given.add_argument(option, type=Path, metavar="PROGRAM")
    arguments = parser.parse_args()
    paths = {name: getattr(arguments, name) for name in ("multus", "ovs_cni", "whereabouts")}
    if any(paths.values()) and not all(path and path.is_file() for path in paths.values()):
        parser.error("--multus, --ovs-cni and --whereabouts need each other, and files that exist")
    arguments.programs = Programs(**paths) if all(paths.values()) else None
    return arguments


@contextmanager
def _cluster() -> Iterator[LocalCluster]:
    """A cluster of two nodes with the definitions that secnet needs, a namespace, and networks in it."""
    _say("starting a cluster of two nodes")
    # A short path, as sockets lie below it.
    cluster = LocalCluster(binaries.kube(), [image_archive()])
    try:
        cluster.start()
        secnet.run_with_kubectl(cluster, str(ROOT / "deploy/apply-crds"))
        cluster.kubectl("create", "namespace", _NAMESPACE)
        # Pods are refused until the controller has made the account.
        cluster.wait(lambda: cluster.get("serviceaccount", "default", _NAMESPACE), "the namespace has its account")
        cluster.apply(*networks(_NAMESPACE), namespace=_NAMESPACE)
        yield cluster
    finally:
        if logs := os.environ.get("SECNET_KEEP_LOGS"):
            cluster.keep_logs(Path(logs))
        cluster.close()


def _idle(bursts: Bursts, rival: Rival, count: int, seconds: float) -> dict[str, Any]:
    _say(f"idle, {count} Pods")
    rival.enter()
    return bursts.idle(str(rival.networks("one")), count, seconds)


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
