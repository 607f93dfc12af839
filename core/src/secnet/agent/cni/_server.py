"""The unix socket at which the plugin calls: root only, one thread for each call.

One thread watches the socket and all connections. It sends a keepalive to callers that wait, and sets a call's event
when its caller is gone. A connection without a request takes no place from those that have one, and gives way to new ones.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

from secnet.contract import SecnetError

from ._calls import Answer
from ._listener import bind_listener, unbind
from ._wire import KEEPALIVE, RawCall, answer_bytes, read_call

__all__ = ["CniServer", "Handler"]

_log = logging.getLogger(__name__)

Handler = Callable[[RawCall, threading.Event], Answer]
"""Answers a call and never raises. The event is set when the caller is gone or the server closes."""

_MAX_CALLS = (
    128  # at work; more than a node has Pods. As many more connections wait for a place, or have not asked yet.
)
_CROWD = 64  # connections without a request
_TURN_SECONDS = 0.2
_SIGN_SECONDS = 2.0
_IO_SECONDS = 10.0
_PEER = struct.Struct("3i")  # struct ucred: pid, uid, gid
_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class _Connection:
    """One call. The lock keeps signs of life out of the answer. asked: its request was read."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.cancel = threading.Event()
        self.gone = False
        self.asked = False
        self.thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._answered = False

    def keepalive(self) -> None:
        with self._lock:
            if not self._answered:
                with contextlib.suppress(OSError):  # a caller that is gone is noticed elsewhere
                    os.write(self.fd, KEEPALIVE)  # not send(): that one waits while the buffer is full

    def end_reading(self) -> None:
        """No request is wanted of it any more, if it has sent none yet: its thread notices at once."""
        with self._lock:
            if self.asked or self._answered or _has_sent(self.fd):
                return
            self.gone = True
            with contextlib.suppress(OSError):  # its caller was quicker
                self.sock.shutdown(socket.SHUT_RDWR)

    def deliver(self, answer: Answer) -> bool:
        """Send the answer; False when the caller cannot have got it."""
        with self._lock:
            self._answered = True
        if self.gone:
            return False
        try:
            self.sock.settimeout(_IO_SECONDS)
            self.sock.sendall(answer_bytes(answer.status, answer.stdout))
        except OSError:
            return False
        return True

    def close(self) -> None:
        with self._lock:
            self._answered = True
            self.sock.close()


class CniServer:
    """Serves `handle` at `path`. Callers other than `uid` are sent away without an answer.

    Raises what `bind_listener` raises. Between making and `start` callers wait in the kernel's backlog.
    """

    def __init__(self, path: Path, handle: Handler, *, uid: int = 0) -> None:
        self._path = path
        self._handle = handle
        self._uid = uid
        self._lock = threading.Lock()
        self._connections: dict[_Connection, None] = {}  # in the order in which they came
        self._places = threading.Semaphore(_MAX_CALLS)
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._abandoned = False
        self._deaf = threading.Event()
        self._listener, self._identity = bind_listener(path)
        self._wake_out, self._wake_in = socket.socketpair()
        self._loop = threading.Thread(target=self._watch, name="cni-server", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._loop.start()

    def is_lost(self) -> bool:
        """Whether the socket was removed or replaced under us, so that no client reaches this server: make another one."""
        try:
            found = os.lstat(self._path)
        except OSError:
            return True
        return (found.st_dev, found.st_ino) != self._identity

    def close(self, drain: float = 0.0, stop: float = 10.0) -> bool:
        """Take no more calls, give those at work `drain` seconds, cancel the rest and wait `stop` seconds for them.

        Nothing of the server is left: no socket, thread or descriptor. False when a call did not end in time: its thread
        lives on. May be called twice.
        """
        with self._lock:
            if self._closing:
                return not self._connections
            self._closing = True
        unbind(self._path, self._identity)
        if self._loop.ident is not None:
            self._wake()
            self._deaf.wait()
            for connection in self._active():
                connection.end_reading()
            self._join_calls(drain)
            for connection in self._active():
                connection.cancel.set()
            self._join_calls(stop)
            self._abandoned = True
            self._wake()
            self._loop.join()
            self._join_ended()
        self._listener.close()
        self._wake_in.close()
        self._wake_out.close()
        return not self._active()

    def _active(self) -> list[_Connection]:
        with self._lock:
            return list(self._connections)

    def _join_calls(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for connection in self._active():
            if connection.thread is not None:
                connection.thread.join(max(0.0, deadline - time.monotonic()))

    def _join_ended(self) -> None:
        """Threads whose call is over may still be on their last lines."""
        at_work = {connection.thread for connection in self._active()}
        for thread in self._threads:
            if thread not in at_work:
                thread.join(_IO_SECONDS)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it wakes up anyway; closed: no thread is left to wake
            self._wake_in.send(b"!", socket.MSG_DONTWAIT)

    def _watch(self) -> None:
        signed = time.monotonic()
        while not self._abandoned:
            if self._closing and not self._deaf.is_set():
                self._listener.close()
                self._deaf.set()
            self._poll(self._active())
            if time.monotonic() - signed >= _SIGN_SECONDS:
                signed = time.monotonic()
                for connection in self._active():
                    connection.keepalive()

    def _poll(self, connections: list[_Connection]) -> None:
        """Wait for something to happen, for as long as no caller needs a keepalive."""
        poll = select.poll()
        poll.register(self._wake_out, select.POLLIN)
        listening = not self._deaf.is_set() and (len(connections) < 2 * _MAX_CALLS or _is_crowd(connections))
        if listening:
            poll.register(self._listener, select.POLLIN)
        by_fd = {item.fd: item for item in connections if not item.gone}
        for fd in by_fd:
            # Its call may have ended just now: at worst an event then cancels what has ended.
            poll.register(fd, select.POLLRDHUP)
        for fd, event in poll.poll(_SIGN_SECONDS * 1000 if connections else None):
            if fd == self._wake_out.fileno():
                self._wake_out.recv(4096)
            elif listening and fd == self._listener.fileno():
                self._accept()
            elif fd in by_fd and event & _GONE:
                by_fd[fd].gone = True
                by_fd[fd].cancel.set()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            _log.exception("a CNI call cannot be taken")
            self._deaf.wait(_SIGN_SECONDS)  # no descriptors, no memory: asking at once again would not help
            return
        if not self._is_allowed(sock):
            sock.close()
            return
        self._make_room()
        connection = _Connection(sock)
        connection.thread = threading.Thread(target=self._serve, args=(connection,), name="cni-call", daemon=True)
        with self._lock:
            self._connections[connection] = None
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        try:
            connection.thread.start()
            self._threads.append(connection.thread)
        except RuntimeError:  # no more threads: the caller gets "try again later", by itself
            _log.exception("a CNI call cannot be taken")
            connection.thread = None
            self._forget(connection)

    def _make_room(self) -> None:
        """Where all places are taken, the oldest connection without a request gives way."""
        active = self._active()
        if len(active) >= 2 * _MAX_CALLS:
            oldest = next((each for each in active if not (each.asked or each.gone)), None)
            if oldest is not None:
                oldest.end_reading()

    def _is_allowed(self, sock: socket.socket) -> bool:
        pid, uid, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        if uid != self._uid:
            _log.warning("a CNI call of process %d is refused: it runs as user %d", pid, uid)
        return bool(uid == self._uid)

    def _serve(self, connection: _Connection) -> None:
        try:
            raw = read_call(connection.sock, _IO_SECONDS)
            connection.asked = True
            while not self._places.acquire(timeout=_TURN_SECONDS):
                if connection.cancel.is_set():
                    return
            try:
                answer = self._handle(raw, connection.cancel)
            finally:
                self._places.release()
            if answer.failed and self._closing and connection.cancel.is_set():
                return  # this server's end is no answer: the plugin asks the next agent, if it waits for one
            if not connection.deliver(answer) and answer.undo is not None:
                _log.warning("the caller of the CNI plugin is gone before its answer: what was made is taken back")
                answer.undo()
        except SecnetError as exc:
            _log.warning("a CNI call cannot be served: %s", exc)
        except Exception:
            _log.exception("a CNI call fails within the agent")
        finally:
            self._forget(connection)
            self._wake()

    def _forget(self, connection: _Connection) -> None:
        with self._lock:
            self._connections.pop(connection, None)
        connection.close()


def _has_sent(fd: int) -> bool:
    """Whether something waits to be read."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


def _is_crowd(connections: list[_Connection]) -> bool:
    """Whether so many have not asked yet that the oldest of them is none that came just now."""
    return sum(not each.asked for each in connections) > _CROWD
