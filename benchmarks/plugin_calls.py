"""What the chained plugin costs an ordinary Pod: ADD with the Pod's annotations, and how often it goes to the agent."""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["ordinary_pods"]

_RESULT = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "cni0", "mac": "02:00:00:00:00:01"}, {"name": "eth0", "sandbox": "/run/netns/x"}],
    "ips": [{"interface": 1, "address": "10.244.1.7/24", "gateway": "10.244.1.1"}],
    "dns": {},
}


def ordinary_pods(program: Path, rounds: int) -> dict[str, Any]:
    """Milliseconds from the start of a process to its end, its CPU time among them, and connections to the agent's socket.

    small: the annotations of a usual Pod. large: as many as the API takes, 256 KiB.
    """
    with tempfile.TemporaryDirectory(prefix="sn-bench-") as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder) / "secnet-cni"
        shutil.copy(program, path)
        agent = Path(folder) / "cni.sock"
        (Path(folder) / "secnet-cni.sock").symlink_to(agent)
        listener.bind(str(agent))
        listener.listen(rounds)
        small = {"kubernetes.io/config.seen": "2026-01-01T00:00:00Z", "kubernetes.io/config.source": "api"}
        large = {f"example.org/{number}": '"\\\n\u00e9' * 1024 for number in range(50)}
        return {
            "small": _measure(path, small, rounds),
            "large": _measure(path, large, rounds),
            "calls": _connections(listener),
        }


def _measure(program: Path, annotations: dict[str, str], rounds: int) -> dict[str, float]:
    configuration = {
        "cniVersion": "1.0.0",
        "name": "pods",
        "type": "secnet-cni",
        "prevResult": _RESULT,
        "runtimeConfig": {"io.kubernetes.cri.pod-annotations": annotations},
    }
    stdin = program.with_name("stdin")
    stdin.write_text(json.dumps(configuration))
    took = [_execute(program, stdin) for _ in range(rounds)]
    wall, cpu = [each[0] for each in took], [each[1] for each in took]
    return {"p50_ms": statistics.median(wall), "max_ms": max(wall), "cpu_p50_ms": statistics.median(cpu)}


def _execute(program: Path, stdin: Path) -> tuple[float, float]:
    environment = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": "/run/netns/x",
        "CNI_IFNAME": "eth0",
        "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0",
        "CNI_PATH": str(program.parent),
    }
    files = [(os.POSIX_SPAWN_OPEN, 0, str(stdin), os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    start = time.perf_counter()
    pid = os.posix_spawn(program, (program,), environment, file_actions=files)
    _, status, used = os.wait4(pid, 0)
    took = time.perf_counter() - start
    assert status == 0, "the plugin failed"
    return took * 1000, (used.ru_utime + used.ru_stime) * 1000


def _connections(listener: socket.socket) -> int:
    listener.setblocking(False)
    count = 0
    with suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            count += 1
    return count
