"""The CNI plugins `bridge` and `host-local`, executed as a container runtime does it (CNI specification 1.0, section 2).

The runtime's part is as small as it can be: the configuration is written once, the child is made by vfork, its answer is read
and parsed. What one execution costs before a plugin does anything is measured too (`floor`).
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from secnet.linux.netns import identify, open_netns, setns

from .task import GATEWAY_4, GATEWAY_6, MTU, ROUTE_4, ROUTE_6, SUBNET_4, SUBNET_6
from .world import IFNAME, Pod, World

__all__ = ["CNI_PATH", "CniPlugins", "missing"]

CNI_PATH = Path("/usr/lib/cni")
_PLUGINS = ("bridge", "host-local")


def missing() -> str:
    """Why the plugins cannot be measured here; empty when they can."""
    absent = [name for name in _PLUGINS if not os.access(CNI_PATH / name, os.X_OK)]
    return f"{', '.join(absent)} not found in {CNI_PATH} (Debian: containernetworking-plugins)" if absent else ""


class CniPlugins:
    """Executes the plugins on `workers` threads that live in the plugins' node namespace."""

    def __init__(self, world: World, workers: int) -> None:
        self._config = world.directory / "cni.json"
        self._config.write_text(json.dumps(_configuration(world.directory / "cni-data")), encoding="utf-8")
        self._node = world.cni_node
        self._threads = ThreadPoolExecutor(workers, "cni", initializer=self._enter)

    def attach(self, pod: Pod) -> float:
        """ADD; seconds from the start of the execution to the parsed result."""
        return self._threads.submit(self._execute, "ADD", pod).result()

    def detach(self, pod: Pod) -> float:
        """DEL; seconds."""
        return self._threads.submit(self._execute, "DEL", pod).result()

    def floor(self) -> float:
        """VERSION, which does nothing: seconds that an execution costs at least."""
        return self._threads.submit(self._execute, "VERSION", None).result()

    def versions(self) -> list[str]:
        """The CNI versions that the bridge plugin speaks."""
        answer = self._threads.submit(self._answer, "VERSION", None).result()
        return list(answer["supportedVersions"])

    def all(self, verb: str, pods: tuple[Pod, ...]) -> float:
        """One verb for all Pods on all workers at once; seconds from the first to the last."""
        start = time.perf_counter()
        for future in [self._threads.submit(self._execute, verb, pod) for pod in pods]:
            future.result()
        return time.perf_counter() - start

    def run(self, function: Callable[[], float]) -> float:
        """Run a function in the plugins' node namespace."""
        return self._threads.submit(function).result()

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def _enter(self) -> None:
        with open_netns(identify(self._node)) as fd:
            setns(fd)

    def _execute(self, verb: str, pod: Pod | None) -> float:
        start = time.perf_counter()
        self._answer(verb, pod)
        return time.perf_counter() - start

    def _answer(self, verb: str, pod: Pod | None) -> Any:
        environment = {"CNI_COMMAND": verb, "CNI_PATH": str(CNI_PATH), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        if pod is not None:
            environment |= {"CNI_CONTAINERID": pod.name, "CNI_NETNS": pod.path, "CNI_IFNAME": IFNAME}
        with open(self._config, "rb") as config:
            plugin = subprocess.Popen(
                [CNI_PATH / "bridge"], stdin=config, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
            )
        assert plugin.stdout is not None
        with plugin.stdout as stream:
            text = stream.read()
        if plugin.wait() != 0:
            raise RuntimeError(f"bridge {verb} failed: {text.decode(errors='replace')}")
        return json.loads(text) if text else None


def _configuration(data: Path) -> dict[str, Any]:
    return {
        "cniVersion": "1.0.0",
        "name": "bench",
        "type": "bridge",
        "bridge": "cni-bench",
        "mtu": MTU,
        "ipam": {
            "type": "host-local",
            "dataDir": str(data),
            "ranges": [
                [{"subnet": SUBNET_4, "gateway": GATEWAY_4}],
                [{"subnet": SUBNET_6, "gateway": GATEWAY_6}],
            ],
            "routes": [{"dst": ROUTE_4, "gw": GATEWAY_4}, {"dst": ROUTE_6, "gw": GATEWAY_6}],
        },
    }
