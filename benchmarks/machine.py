"""What the numbers were measured with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["facts"]

_DISTRIBUTIONS = ("secnet", "secnet-vlan", "secnet-ipam", "pyroute2", "ovsdbapp", "ovs")
_PACKAGES = ("openvswitch-switch", "containernetworking-plugins")


def facts() -> dict[str, Any]:
    """Command, machine and versions."""
    return {
        "command": " ".join(sys.orig_argv),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _output("git", "rev-parse", "--short", "HEAD"),
        "changed_files": len(_output("git", "status", "--porcelain").splitlines()),
        "cores": os.cpu_count(),
        "cpu": _cpu(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "kernel": platform.release(),
        "system": _system(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        "versions": {name: importlib.metadata.version(name) for name in _DISTRIBUTIONS}
        | {name: _package(name) for name in _PACKAGES},
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _system() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "")


def _package(name: str) -> str:
    return _output("dpkg-query", "-W", "-f=${Version}", name)


def _output(*argv: str) -> str:
    """What a program prints; empty where it is missing or fails, for none of these facts is needed to go on."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
