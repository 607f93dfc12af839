"""The parent's end of `secnet_testing.forkserver`: forks a process for each request, and tells of its pid and its end.

    python -m secnet_testing.forking FD

A request is JSON, with three file descriptors beside it: the process's stdout and stderr, and a pipe for the two numbers, its pid
and its status as `os.waitpid` has it. When the socket FD is closed, all that runs is killed, and the parent ends.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["STATUS", "be_server"]

STATUS = struct.Struct("i")

_PRELOADED = ("pyroute2", "secnet.agent.cluster.kube", "secnet.agent.sandboxes.cri", "secnet_testing.killable")
_LONGEST = 1 << 18  # bytes of a request
_MOST_FILES = 4096


class _Children:
    """The forked processes, and where to tell the end of each."""

    def __init__(self) -> None:
        self._cni_sandboxes: dict[int, int] = {}

    def add(self, pid: int, status: int) -> None:
        self._cni_sandboxes[pid] = status
        _tell(status, pid)

    def reap(self, options: int = os.WNOHANG) -> None:
        while self._cni_sandboxes:
            pid, status = os.waitpid(-1, options)
            if not pid:
                return
            told = self._cni_sandboxes.pop(pid)
            _tell(told, status)
            os.close(told)

    def kill(self) -> None:
        for pid in self._cni_sandboxes:
            os.kill(pid, signal.SIGKILL)
        self.reap(0)


def _tell(status: int, number: int) -> None:
    try:
        os.write(status, STATUS.pack(number))
    except BrokenPipeError:
        return  # nobody wants to know


def _preload() -> None:
    from secnet.agent.cli.program import build_parser
    from secnet.agent.plugins.registry import BACKENDS_GROUP, DRIVERS_GROUP

    build_parser()
    for name in _PRELOADED:
        importlib.import_module(name)
    for group in (DRIVERS_GROUP, BACKENDS_GROUP):
        for entry_point in importlib.metadata.entry_points(group=group):
            entry_point.load()


def _serve(requests: socket.socket) -> Mapping[str, Any] | None:
    """Fork until the test process ends, which returns None; in a forked process, its request."""
    children = _Children()
    wakes, wake = os.pipe()
    for fd in (wakes, wake):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    selector = selectors.DefaultSelector()
    selector.register(requests, selectors.EVENT_READ)
    selector.register(wakes, selectors.EVENT_READ)
    while True:
        ready = {key.fd for key, _ in selector.select()}
        if wakes in ready:
            os.read(wakes, 4096)
            children.reap()
        if requests.fileno() not in ready:
            continue
        text, fds, _, _ = socket.recv_fds(requests, _LONGEST, 3)
        if not text:
            children.kill()
            return None
        pid = os.fork()
        if not pid:
            selector.close()
            _take_place(fds)
            request: Mapping[str, Any] = json.loads(text)
            return request
        children.add(pid, fds[2])
        for fd in fds[:2]:
            os.close(fd)


def _take_place(fds: Sequence[int]) -> None:
    """In the child: the streams of the request, no other file, signals as a new process has them."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(fds[0], 1)
    os.dup2(fds[1], 2)
    os.closerange(3, _MOST_FILES)


def _run(request: Mapping[str, Any]) -> int:
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    if request["netns"]:
        from pyroute2 import netns

        netns.setns(request["netns"], flags=0)
    sys.argv = ["secnet", *request["argv"]]
    return int(importlib.import_module(request["module"]).main(request["argv"]))


def be_server(requests: socket.socket) -> int:
    """Serve until the end; in a forked process, be what was asked for. Returns the exit code of either."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the test process's: its end is ours
    request = _serve(requests)
    if request is None:
        return 0
    signal.signal(signal.SIGINT, signal.default_int_handler)
    requests.detach()
    return _run(request)


def _main() -> int:
    _preload()
    return be_server(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    raise SystemExit(_main())
