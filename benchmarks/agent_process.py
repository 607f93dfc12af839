"""The real `secnet agent` with many attachments: how long it takes to make them, and what it costs when it idles then."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from secnet.agent.state.reports import Reports

from .figures import ms, percentile
from .objects import network_objects, pod_object, write_configuration
from .proc import cpu_seconds, status
from .world import World

__all__ = ["import_times", "measure_agent"]

_ATTACH_SECONDS = 180.0
_QUIET_SECONDS = 60.0
_STOP_SECONDS = 30.0
_IDLE_WINDOW_SECONDS = 3.0
_IDLE_SHARE = 0.25
_MODULE = "secnet.agent.cli"


def measure_agent(world: World) -> dict[str, Any]:
    """Start an agent on a directory of manifests with all Pods of the world, wait until it idles, and look at it."""
    manifests = world.directory / "manifests"
    manifests.mkdir()
    objects = [*network_objects(), *(pod_object(pod) for pod in world.pods)]
    (manifests / "all.yaml").write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    configuration = write_configuration(world, "agent", manifests)
    log = world.directory / "agent.log"
    start = time.perf_counter()
    with open(log, "wb") as stream:
        command = [str(Path(sys.executable).with_name("secnet")), "agent", "--config", str(configuration)]
        agent = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    try:
        reports = Reports(configuration.parent / "run")
        _until(lambda: _attached(reports) == len(world.pods), agent, log, _ATTACH_SECONDS)
        attached = time.perf_counter() - start
        share = _wait_until_idle(agent, log)
        numbers = status(agent.pid)
    finally:
        _stop(agent)
    return {
        "attachments": len(world.pods),
        "all_attached_after_ms": ms(attached),
        "idle_rss_mb": round(numbers["VmRSS"] / 1024, 1),
        "idle_anonymous_mb": round(numbers["RssAnon"] / 1024, 1),
        "peak_rss_mb": round(numbers["VmHWM"] / 1024, 1),
        "threads": numbers["Threads"],
        "idle_cpu_percent": round(share * 100, 1),
    }


def import_times(rounds: int) -> dict[str, Any]:
    """A fresh interpreter that imports the command line, beside one that imports nothing; taken in turns."""
    bare, full = [], []
    for _ in range(rounds):
        bare.append(_timed("pass"))
        full.append(_timed(f"import {_MODULE}"))
    difference = percentile(full, 50) - percentile(bare, 50)
    return {
        "module": _MODULE,
        "n": rounds,
        "python_p50_ms": ms(percentile(bare, 50)),
        "with_import_p50_ms": ms(percentile(full, 50)),
        "import_p50_ms": ms(difference),
    }


def _timed(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def _attached(reports: Reports) -> int:
    return sum(report.attached and bool(report.networks) for report in reports.pods())


def _wait_until_idle(agent: subprocess.Popen[bytes], log: Path) -> float:
    """Wait for a window in which it used little CPU time; returns the share of one core that it used then."""
    deadline = time.monotonic() + _QUIET_SECONDS
    while True:
        before, start = cpu_seconds(agent.pid), time.monotonic()
        time.sleep(_IDLE_WINDOW_SECONDS)
        share = (cpu_seconds(agent.pid) - before) / (time.monotonic() - start)
        if share <= _IDLE_SHARE:
            return share
        if agent.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the agent does not come to rest (it uses {share:.0%} of a core): {_tail(log)}")


def _until(condition: Callable[[], bool], agent: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if agent.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the agent did not attach all Pods: {_tail(log)}")
        time.sleep(0.05)


def _stop(agent: subprocess.Popen[bytes]) -> None:
    agent.send_signal(signal.SIGTERM)
    try:
        agent.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        agent.kill()
        agent.wait()


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:]
