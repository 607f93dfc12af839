"""The socket: who may come, what it replaces, what is left of it, and how long callers wait."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from secnet.agent.cni import _server as server_module
from secnet.agent.cni._calls import Answer
from secnet.agent.cni._server import CniServer
from secnet.agent.cni._service import CniService
from secnet.agent.cni._wire import RawCall
from secnet.contract import Conflict

from .helpers import PREVIOUS, Plugin, ToyAttacher, conf

pytestmark = pytest.mark.kernel  # runs as root, as the agent does

WAIT = 60.0
REQUEST = struct.pack("!4sII", b"SCN1", 0, 2) + b"{}"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Everybody may enter it."""
    path = Path(tempfile.mkdtemp(prefix="sn"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def quick(raw: RawCall, cancel: threading.Event) -> Answer:
    return Answer(result={"size": len(raw.stdin)})


def serve(path: Path, handle: server_module.Handler = quick) -> CniServer:
    server = CniServer(path, handle)
    server.start()
    return server


def call(path: Path, request: bytes = REQUEST) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))  # waits while the backlog is full, which it would not do with a timeout
        sock.settimeout(WAIT)
        sock.sendall(request)
        found = b""
        with suppress(ConnectionResetError):  # it was closed before all was read
            while piece := sock.recv(4096):
                found += piece
        return found


def test_the_socket_is_roots_alone(directory: Path) -> None:
    server = serve(directory / "run/cni.sock")
    assert stat.S_IMODE(os.stat(directory / "run/cni.sock").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(directory / "run").st_mode) == 0o700
    assert call(directory / "run/cni.sock")
    assert server.close()


def test_a_caller_who_is_not_root_gets_no_answer(open_directory: Path) -> None:
    """Even when the mode of the socket were wrong."""
    asked = threading.Event()
    path = open_directory / "cni.sock"
    server = serve(path, lambda raw, cancel: asked.set() or Answer())  # type: ignore[func-returns-value]
    path.chmod(0o666)
    code = (
        "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "try: s.sendall(bytes.fromhex(sys.argv[2])); print(s.recv(100))\n"
        "except (BrokenPipeError, ConnectionResetError): print(b'')"
    )
    arguments = ["/usr/bin/python3", "-c", code, path, REQUEST.hex()]
    assert subprocess.run(arguments, user=65534, group=65534, capture_output=True, check=True).stdout == b"b''\n"
    assert not asked.is_set()
    assert subprocess.run(arguments, capture_output=True, check=True).stdout.startswith(b"b'A")
    assert server.close()


def test_a_stale_socket_is_replaced(directory: Path) -> None:
    path = directory / "cni.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    server = serve(path)
    assert call(path)
    assert server.close()


def test_a_socket_that_is_served_is_not_taken(directory: Path) -> None:
    server = serve(directory / "cni.sock")
    with pytest.raises(Conflict, match="another process"):
        CniServer(directory / "cni.sock", quick)
    assert call(directory / "cni.sock")
    assert server.close()


def test_close_leaves_nothing(directory: Path) -> None:
    before, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    server = serve(directory / "cni.sock")
    for _ in range(20):
        assert call(directory / "cni.sock")
    assert server.close()
    assert server.close()
    assert os.listdir(directory) == []
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == before


def test_close_before_start_leaves_nothing(directory: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    assert CniServer(directory / "cni.sock", quick).close()
    assert os.listdir(directory) == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_socket_whose_directory_was_removed_is_lost(directory: Path) -> None:
    first = serve(directory / "run/cni.sock")
    assert not first.is_lost()
    shutil.rmtree(directory / "run")
    assert first.is_lost()
    second = serve(directory / "run/cni.sock")
    assert first.is_lost()
    assert not second.is_lost()
    assert first.close()
    assert call(directory / "run/cni.sock")
    assert second.close()


def test_close_leaves_the_socket_of_a_successor(directory: Path) -> None:
    first = serve(directory / "cni.sock")
    (directory / "cni.sock").unlink()
    second = serve(directory / "cni.sock")
    assert first.close()
    assert call(directory / "cni.sock")
    assert second.close()


def test_a_call_at_work_is_drained(directory: Path) -> None:
    begun = threading.Event()

    def slow(raw: RawCall, cancel: threading.Event) -> Answer:
        begun.set()
        return Answer(result={"cancelled": cancel.wait(1.0)})  # within the drain it must not be

    server = serve(directory / "cni.sock", slow)
    answers: list[bytes] = []
    caller = threading.Thread(target=lambda: answers.append(call(directory / "cni.sock")))
    caller.start()
    assert begun.wait(WAIT)
    assert server.close(drain=WAIT)
    caller.join()
    assert answers[0].endswith(b'{"cancelled": false}\n')


def test_a_call_that_outlives_the_drain_is_cancelled_and_left_to_the_next_agent(directory: Path) -> None:
    """Its plugin asks again, if it waits for an agent; the failure says nothing but that this one ends."""
    begun = threading.Event()

    def stubborn(raw: RawCall, cancel: threading.Event) -> Answer:
        begun.set()
        assert cancel.wait(WAIT)
        return Answer(failed=True, result={"code": 11})

    server = serve(directory / "cni.sock", stubborn)
    answers: list[bytes] = []
    caller = threading.Thread(target=lambda: answers.append(call(directory / "cni.sock")))
    caller.start()
    assert begun.wait(WAIT)
    assert server.close(drain=0.0)
    caller.join()
    assert answers == [b""]


@pytest.mark.parametrize(
    "request_bytes",
    [b"GET / HTTP/1.1\r\n\r\n", struct.pack("!4sII", b"SCN1", 2**31, 0), struct.pack("!4sII", b"SCN1", 0, 2**31)],
)
def test_another_language_is_not_answered(directory: Path, request_bytes: bytes) -> None:
    server = serve(directory / "cni.sock")
    assert call(directory / "cni.sock", request_bytes) == b""
    assert call(directory / "cni.sock")
    assert server.close()


def test_a_silent_caller_holds_no_one_up(directory: Path) -> None:
    server = serve(directory / "cni.sock")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(directory / "cni.sock"))
        assert call(directory / "cni.sock")
    assert server.close()


def test_more_silent_callers_than_there_are_places_hold_no_one_up(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_IO_SECONDS", 3600.0)  # else they would only delay a call
    server = serve(directory / "cni.sock")
    silent = [socket.socket(socket.AF_UNIX) for _ in range(2 * server_module._MAX_CALLS + 20)]
    for caller in silent:
        caller.connect(str(directory / "cni.sock"))
        caller.settimeout(WAIT)
    assert call(directory / "cni.sock").startswith(b"A")
    assert silent[0].recv(1) == b"", "the oldest one gave way"
    silent[-1].sendall(REQUEST)
    assert silent[-1].recv(1) == b"A"
    assert server.close(), "nor is the end of the server"
    for caller in silent:
        caller.close()


def test_calls_at_work_give_way_to_no_one(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all places taken by calls, a new caller waits."""
    monkeypatch.setattr(server_module, "_MAX_CALLS", 1)
    begun, release = threading.Semaphore(0), threading.Event()

    def held(raw: RawCall, cancel: threading.Event) -> Answer:
        begun.release()
        assert release.wait(WAIT)
        return Answer()

    server = serve(directory / "cni.sock", held)
    callers = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    for caller in callers:
        caller.settimeout(WAIT)
        caller.connect(str(directory / "cni.sock"))
        caller.sendall(REQUEST)
    assert begun.acquire(timeout=WAIT)
    release.set()
    for caller in callers:
        while (mark := caller.recv(1)) == b".":
            pass
        assert mark == b"A"
        caller.close()
    assert server.close()


@pytest.fixture
def signs(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Counts signs of life, which come often."""
    signs = threading.Semaphore(0)
    sign = server_module._Connection.keepalive

    def counted(connection: server_module._Connection) -> None:
        sign(connection)
        signs.release()

    monkeypatch.setattr(server_module, "_SIGN_SECONDS", 0.1)
    monkeypatch.setattr(server_module._Connection, "keepalive", counted)
    return signs


def test_only_so_many_are_served_at_once_and_the_rest_wait(
    directory: Path, monkeypatch: pytest.MonkeyPatch, signs: threading.Semaphore
) -> None:
    monkeypatch.setattr(server_module, "_MAX_CALLS", 2)
    begun, release = threading.Semaphore(0), threading.Event()

    def held(raw: RawCall, cancel: threading.Event) -> Answer:
        begun.release()
        assert release.wait(WAIT)
        return Answer()

    server = serve(directory / "cni.sock", held)
    callers = [socket.socket(socket.AF_UNIX) for _ in range(5)]
    for caller in callers:
        caller.settimeout(WAIT)
        caller.connect(str(directory / "cni.sock"))
        caller.sendall(REQUEST)
    assert all(begun.acquire(timeout=WAIT) for _ in range(2))
    # While it gives signs of life it looks for new callers as well: by now it would have taken them.
    assert all(signs.acquire(timeout=WAIT) for _ in range(20))
    assert not begun.acquire(blocking=False)
    release.set()
    for caller in callers:
        while (mark := caller.recv(1)) == b".":
            pass
        assert mark == b"A"
        caller.close()
    assert server.close()


def test_an_agent_at_work_is_not_given_up(
    hasty: Plugin, attacher: ToyAttacher, service: CniService, signs: threading.Semaphore
) -> None:
    """Signs of life keep the plugin waiting; it is built to give up after 0.6 s without."""

    def attach(cancel: threading.Event) -> None:
        assert all(signs.acquire(timeout=WAIT) for _ in range(15))

    attacher.on_attach = attach
    server = serve(hasty.socket, service.answer)
    assert hasty.call("ADD", conf()) == (0, PREVIOUS)
    assert server.close()
