"""The process of a private containerd, and what must go when it ends: shims, containers, mounts, cgroups."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..netns import Namespace
from .config import DaemonPaths, daemon_config

__all__ = ["CGROUPS", "Containerd", "remove_folder", "unmount", "until"]

CGROUPS = Path("/sys/fs/cgroup")
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def until(condition: Callable[[], bool], what: str, *, within: float = 60.0) -> None:
    """Wait for a condition; AssertionError names `what` after `within` seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        time.sleep(_POLL_SECONDS)


class Containerd:
    """containerd in a node's namespace (None: in the caller's own).

    folder: holds everything; its path is short, as sockets lie below it. cgroup: the parent of all sandboxes' cgroups, of
    which no other runtime has one of that name; by it the processes in them are known for ours.
    """

    def __init__(self, folder: Path, namespace: Namespace | None, cgroup: str) -> None:
        self.folder = folder
        self.socket = folder / "c.sock"
        self.cgroup = cgroup
        self._namespace = namespace
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "config.toml").write_text(daemon_config(DaemonPaths.below(folder)), encoding="utf-8")

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start the process; the caller waits until it answers."""
        assert not self.running
        # Not `ip netns exec`: it mounts another /sys, in which runc then finds no cgroups.
        entering = ["nsenter", f"--net={self._namespace.path}", "--"] if self._namespace else []
        argv = [*entering, "containerd", "--config", str(self.folder / "config.toml")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """End it with SIGKILL; sandboxes and their shims live on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it and every process of its sandboxes, and take its mounts and cgroups away. The folder stays."""
        if self._process is not None and self.running:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        sockets = self._shim_sockets()
        until(self._kill_left, "the shims and containers of a private containerd end")
        for socket in sockets:
            socket.unlink(missing_ok=True)
        for path in reversed(list(_mounts_below(self.folder))):
            unmount(path)
        until(self._remove_cgroups, f"the cgroups {self.cgroup} are gone")

    def _kill_left(self) -> bool:
        """Kill what still belongs to this containerd, each by its pid; whether nothing did."""
        left = [pid for pid in _pids() if self._is_ours(pid)]
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not left

    def _is_ours(self, pid: int) -> bool:
        try:
            status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            cgroups = Path(f"/proc/{pid}/cgroup").read_text()
        except OSError:
            return False
        if status == "Z":
            return False
        shim = b"containerd-shim" in command[0] and os.fsencode(self.socket) in command
        return shim or any(self.cgroup in line.split("/") for line in cgroups.splitlines())

    def _shim_sockets(self) -> list[Path]:
        """containerd 1.6 and 1.7 put them below /run/containerd/s, and a killed shim leaves its own there."""
        found = self.folder.glob("state/io.containerd.runtime.v2.task/*/*/address")
        return [Path(file.read_text().removeprefix("unix://")) for file in found]

    def _remove_cgroups(self) -> bool:
        tops = [path for path in (CGROUPS / self.cgroup, *CGROUPS.glob(f"*/{self.cgroup}")) if path.is_dir()]
        for top in tops:
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:  # a process in it is still ending
                    return False
        return True


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _mounts_below(folder: Path) -> Iterator[str]:
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            path = line.split()[4]
            if path.startswith(f"{folder}/"):
                yield path


def remove_folder(folder: Path) -> None:
    """Remove the folder of a containerd that is closed. Never while something is mounted in it."""
    assert not list(_mounts_below(folder)), f"something is still mounted below {folder}"
    shutil.rmtree(folder)


def unmount(path: str) -> None:
    """Take a mount away, although something may still use it."""
    assert _libc.umount2(os.fsencode(path), _MNT_DETACH) == 0, f"umount {path}: {os.strerror(ctypes.get_errno())}"
