"""The parent's end of `secnet_conformance.forkserver`: forks a process for each request, and sends its pid and its status.

    python -m secnet_conformance.forking FD [MODULE...]

The modules are imported first. A request is JSON, with three file descriptors beside it: the process's stdout and stderr, and a
pipe for the two numbers, its pid and its status as `os.waitpid` has it. A request without descriptors names modules to import.
When the socket FD is closed, all that runs is killed, and the parent ends.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["STATUS", "be_server"]

STATUS = struct.Struct("i")

_LONGEST = 1 << 18  # bytes of a request


class _Processes:
    """The forked processes, and the pipe for the status of each."""

    def __init__(self) -> None:
        self._pipes: dict[int, int] = {}

    def add(self, pid: int, pipe: int) -> None:
        self._pipes[pid] = pipe
        _send(pipe, pid)

    def reap(self, options: int = os.WNOHANG) -> None:
        while self._pipes:
            pid, status = os.waitpid(-1, options)
            if not pid:
                return
            pipe = self._pipes.pop(pid, None)
            if pipe is not None:  # else a child of a module that was imported here
                _send(pipe, status)
                os.close(pipe)

    def kill(self) -> None:
        for pid in self._pipes:
            os.kill(pid, signal.SIGKILL)
        self.reap(0)

    def forget(self) -> None:
        """In a forked process: the others are the parent's."""
        for pipe in self._pipes.values():
            os.close(pipe)


def _send(pipe: int, number: int) -> None:
    try:
        os.write(pipe, STATUS.pack(number))
    except BrokenPipeError:
        return  # the reader has closed it


def _import(names: Iterable[str]) -> None:
    for name in names:
        with contextlib.suppress(Exception):  # some modules cannot be imported by their name alone
            importlib.import_module(name)


def _serve(requests: socket.socket) -> Mapping[str, Any] | None:
    """Fork until the socket is closed, which returns None; in a forked process, its request."""
    processes = _Processes()
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
            processes.reap()
        if requests.fileno() not in ready:
            continue
        text, fds, _, _ = socket.recv_fds(requests, _LONGEST, 3)
        if not text:
            processes.kill()
            return None
        request: Mapping[str, Any] = json.loads(text)
        if not fds:
            _import(request["import"])
            continue
        pid = os.fork()
        if not pid:
            selector.close()
            processes.forget()
            _take_over(fds, (wakes, wake, requests.detach()))
            return request
        processes.add(pid, fds[2])
        for fd in fds[:2]:
            os.close(fd)


def _take_over(fds: Sequence[int], parents: Sequence[int]) -> None:
    """In a forked process: the streams of the request, no file of the parent's, signals as a new process has them."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(fds[0], 1)
    os.dup2(fds[1], 2)
    for fd in (*fds, *parents):
        os.close(fd)


def _run(request: Mapping[str, Any]) -> int:
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    if request["netns"]:
        from secnet.linux.netns import setns

        with open(request["netns"], "rb") as netns:
            setns(netns.fileno())
    sys.argv = [request["module"], *request["argv"]]
    return int(importlib.import_module(request["module"]).main(request["argv"]))


def be_server(requests: socket.socket) -> int:
    """Serve until the end; in a forked process, run what the request names. Returns the exit code of either."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks: its end closes the socket
    request = _serve(requests)
    if request is None:
        return 0
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return _run(request)


def _main() -> int:
    for name in sys.argv[2:]:
        importlib.import_module(name)
    return be_server(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    raise SystemExit(_main())
