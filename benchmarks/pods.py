"""From a Pod's creation to its readiness, with and without secondary networks: `make bench-pods`.

Two nodes with a containerd each: on one the CNI plugin stands in the chain (synchronous), on the other it does not
(asynchronous; the Pods have the readiness gate). Pods without networks on both are what is compared with. In turns, so that
a busy moment hits all of them. Then, on the first node: lost pings while the agent restarts, and the idle agent's memory and
CPU time with 110 Pods; and what the plugin costs a Pod without networks.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from secnet_testing.cluster_node import CONDITION, ClusterNode, compiled_plugin, nad, play_cluster_node, pod, pool
from secnet_testing.kubeapi.process import KubeApiProcess
from secnet_testing.secnet_command import COMMAND
from secnet_testing.traffic import traffic

from .machine import facts
from .plugin_calls import ordinary_pods

_POLL_SECONDS = 0.02
_LIMIT_SECONDS = 180.0
_IDLE_SECONDS = 30.0
_TICK = os.sysconf("SC_CLK_TCK")


class Rival:
    """One kind of Pod on one node. gate: wait for the condition of its networks."""

    def __init__(self, name: str, node: ClusterNode, networks: str | None, *, gate: bool = False) -> None:
        self.name = name
        self.node = node
        self._networks = networks
        self._spec = {"readinessGates": [{"conditionType": CONDITION}]} if gate else {}
        self._count = 0

    def round(self, pods: int) -> list[float]:
        """Seconds from each Pod's creation until it is ready; they are gone afterwards."""
        names = [f"{self.name}-{self._count + number}" for number in range(pods)]
        self._count += pods
        created = {}
        for name in names:
            created[name] = time.monotonic()
            self.node.api.create(pod(name, self._networks, node=self.node.name, **self._spec))
        took = self._wait_ready(created)
        for name in names:
            self.node.delete(name)
        self.node.wait_gone(*names, within=_LIMIT_SECONDS)
        return [took[name] for name in names]

    def _wait_ready(self, created: dict[str, float]) -> dict[str, float]:
        took: dict[str, float] = {}
        deadline = time.monotonic() + _LIMIT_SECONDS
        while len(took) < len(created):
            now = time.monotonic()
            if now > deadline:
                raise TimeoutError(f"{len(created) - len(took)} Pods are not ready: {self.node.node.logs()}")
            for item in self.node.api.items("/api/v1/pods"):
                name = item["metadata"]["name"]
                if name in created and name not in took and _is_ready(item):
                    took[name] = now - created[name]
            time.sleep(_POLL_SECONDS)
        return took


def _is_ready(item: Any) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def main() -> int:
    """Measure, print the report, write the numbers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pods", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a few rounds: shows that it works, its numbers mean nothing"
    )
    parser.add_argument("--json", type=Path, default=Path("build/bench-pods.json"), metavar="FILE")
    arguments = parser.parse_args()
    singles, bursts, many, restarts, idle = (2, 1, 4, 2, 4) if arguments.quick else (30, 3, 50, 20, 110)
    with tempfile.TemporaryDirectory(prefix="sn-bench-") as folder, ExitStack() as stack:
        data: dict[str, Any] = {"machine": facts()}
        rivals, first = _set_up(stack, Path(folder))
        data["plugin"] = ordinary_pods(compiled_plugin(), 50 if arguments.quick else 1000)
        data["one"] = _in_turns(rivals, singles, 1)
        data["many"] = _in_turns(rivals, bursts, many)
        data["calls"] = _calls(first)
        data["restarts"] = _restarts(first, restarts)
        data["idle"] = _idle(first, idle)
        data["machine_after"] = facts()
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(data, indent=2))
    _print(data, many)
    return 0


def _set_up(stack: ExitStack, folder: Path) -> tuple[list[Rival], ClusterNode]:
    api = KubeApiProcess()
    stack.callback(api.stop)
    nodes = []
    for name, chained in (("node-1", True), ("node-2", False)):
        (folder / name).mkdir()
        quiet: dict[str, Any] = {"log": {"level": "warning"}, "workers": {"count": 8}}
        nodes.append(stack.enter_context(play_cluster_node(folder / name, api, name=name, sync=chained, **quiet)))
    api.create(nad("blue"))
    api.create(pool("blue"))
    for node in nodes:
        node.node.agent(program=COMMAND, ready=False)
    nodes[0].wait_chained()
    sync, other = nodes
    rivals = [
        Rival("none-sync", sync, None),
        Rival("sync", sync, "blue"),
        Rival("none-async", other, None),
        Rival("async", other, "blue", gate=True),
    ]
    for rival in rivals:
        rival.round(1)  # not counted: the first one of each fills caches
    return rivals, sync


def _in_turns(rivals: Iterable[Rival], rounds: int, pods: int) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {}
    for _ in range(rounds):
        for rival in rivals:
            took.setdefault(rival.name, []).extend(rival.round(pods))
    return took


def _calls(node: ClusterNode) -> list[str]:
    """What the agent asked the API server for one Pod with one network, from its creation to its readiness."""
    node.api.forget_requests()
    node.api.create(pod("calls", "blue", node=node.name))
    node.wait_attached("calls")
    asked = node.calls("agent-token")
    node.delete("calls")
    node.wait_gone("calls")
    return [" ".join(each) for each in asked]


def _restarts(node: ClusterNode, count: int) -> dict[str, int]:
    """SIGKILL and a new agent, again and again, while a Pod pings another every 10 ms."""
    for name in ("a", "b"):
        node.api.create(pod(name, "blue", node=node.name))
    node.wait_attached("a", "b")
    with traffic(node.namespace("a"), node.address("b")) as flow:
        for _ in range(count):
            node.node.agents[-1].kill()
            node.node.agent(program=COMMAND, ready=False)
            node.wait_reported("a", "b")
        flow.flows()
        found = {"restarts": count, "pings": flow.replies + flow.lost, "lost": flow.lost}
    for name in ("a", "b"):
        node.delete(name)
    node.wait_gone("a", "b")
    return found


def _idle(node: ClusterNode, pods: int) -> dict[str, float]:
    names = [f"idle-{number}" for number in range(pods)]
    for name in names:
        node.api.create(pod(name, "blue", node=node.name))
    node.wait_attached(*names, within=_LIMIT_SECONDS)
    node.node.agents[-1].kill()
    node.node.agent(
        program=COMMAND, ready=False
    )  # as it is after an upgrade: what attaching needed is not in its memory
    node.wait_reported(*names)
    pid = node.node.agents[-1].pid
    _settle(pid)
    before = _cpu(pid)
    time.sleep(2 * _IDLE_SECONDS)  # one round of checks is in it
    used = (_cpu(pid) - before) / (2 * _IDLE_SECONDS)
    for name in names:
        node.delete(name)
    node.wait_gone(*names, within=_LIMIT_SECONDS)
    return {"pods": pods, "rss_mb": _rss(pid), "cpu_percent": 100 * used}


def _settle(pid: int) -> None:
    """Wait until it used less than a tenth of a core for five seconds."""
    deadline = time.monotonic() + _LIMIT_SECONDS
    while time.monotonic() < deadline:
        before = _cpu(pid)
        time.sleep(5)
        if _cpu(pid) - before < 0.5:
            return


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _rss(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def _print(data: dict[str, Any], many: int) -> None:
    print(f"load {data['machine']['load_before']:.1f} before, {data['machine_after']['load_before']:.1f} after")
    print(f"{'from creation to ready, s':<28}{'p50':>8}{'p99':>8}{'Pods':>7}")
    for label, key in (("one Pod at a time", "one"), (f"{many} Pods at once", "many")):
        print(label)
        for name, took in data[key].items():
            print(f"  {name:<26}{statistics.median(took):>8.2f}{_p99(took):>8.2f}{len(took):>7}")
        for name in ("sync", "async"):
            ratio = _p99(data[key][name]) / _p99(data[key][f"none-{name}"])
            print(f"  p99 {name} : without networks   {ratio:>6.2f}")
    print(f"requests to the API server for one Pod with one network: {len(data['calls'])}: {', '.join(data['calls'])}")
    found = data["restarts"]
    print(f"{found['restarts']} restarts of the agent by SIGKILL: {found['lost']} of {found['pings']} pings lost")
    plugin = data["plugin"]
    for label, key in (("a few annotations", "small"), ("256 KiB of annotations", "large")):
        took = plugin[key]
        print(
            f"the plugin for an ordinary Pod, {label}: {took['p50_ms']:.2f} ms (at most {took['max_ms']:.2f}, "
            f"CPU {took['cpu_p50_ms']:.2f}; the goal is 5)"
        )
    print(f"calls of the agent for all of them: {plugin['calls']}")
    idle = data["idle"]
    print(f"idle agent with {idle['pods']} Pods: {idle['rss_mb']:.1f} MB, {idle['cpu_percent']:.2f} % of a core")


def _p99(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


if __name__ == "__main__":
    sys.exit(main())
