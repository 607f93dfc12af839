"""How foreign failures become errors of the contract, and what a specification refuses. No Open vSwitch needed."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from secnet.contract import (
    Busy,
    Call,
    Conflict,
    InvalidConfig,
    MissingPrivilege,
    NotReady,
    SecnetError,
    Timeout,
    Unavailable,
    Unsupported,
    VerifyFailed,
)
from secnet.ovs import BridgeSpec, OvsClient, PortSpec
from secnet.ovs.errors import INTERFACE_TABLE, OSERROR_TABLE, TRANSACTION_TABLE, from_interface, from_oserror, from_text
from secnet.ovs.target import check_target, echo

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('OVSDB Error: {"details":"...","error":"constraint violation"}', Conflict),
        ('OVSDB Error: {"details":"...","error":"referential integrity violation"}', Busy),
        ('OVSDB Error: {"details":"...","error":"permission error"}', MissingPrivilege),
        ('OVSDB Error: {"details":"...","error":"not allowed"}', MissingPrivilege),
        ('OVSDB Error: {"details":"...","error":"resources exhausted"}', Unavailable),
        ('OVSDB Error: {"details":"...","error":"I/O error"}', Unavailable),
        ("OVS transaction timed out", Unavailable),
        ("something new", Unavailable),
    ],
)
def test_transaction_table(text: str, error: type[SecnetError]) -> None:
    found = from_text(text, "adding the port", "OVS port p1")
    assert type(found) is error
    assert found.subject == "OVS port p1"
    assert found.hint


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("could not open network device p1 (No such device)", NotReady),
        ("could not open network device p1 (Device or resource busy)", Conflict),
        ("could not add network device p1 to ofproto (File exists)", Conflict),
        ("could not open network device p1 (Operation not permitted)", MissingPrivilege),
        ("could not open network device p1 (Operation not supported)", Unsupported),
        ("could not open network device p1 (Invalid argument)", Unsupported),
        ("something new", VerifyFailed),
        ("", VerifyFailed),
    ],
)
def test_interface_table(text: str, error: type[SecnetError]) -> None:
    found = from_interface(text, "OVS port p1")
    assert type(found) is error
    assert found.hint


def test_every_rule_has_a_hint() -> None:
    assert all(rule.hint for rule in (*TRANSACTION_TABLE, *INTERFACE_TABLE))
    assert all(hint for _, hint in OSERROR_TABLE.values())


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (errno.ENOENT, Unavailable),
        (errno.ECONNREFUSED, Unavailable),
        (errno.EACCES, MissingPrivilege),
        (errno.EPERM, MissingPrivilege),
        (errno.ENAMETOOLONG, InvalidConfig),
        (errno.EHOSTUNREACH, Unavailable),
    ],
)
def test_oserror_table(code: int, error: type[SecnetError]) -> None:
    assert type(from_oserror(OSError(code, "words"), "unix:/x")) is error


@pytest.mark.parametrize("target", ["unix:/run/db.sock", "tcp:127.0.0.1:6640", "tcp:[::1]:6640"])
def test_targets(target: str) -> None:
    check_target(target)


@pytest.mark.parametrize("target", ["", "unix:", "/run/db.sock", "tcp:host", "tcp::1x", "ssl:127.0.0.1:6640"])
def test_targets_that_cannot_be_used(target: str) -> None:
    with pytest.raises(InvalidConfig) as raised:
        OvsClient(target)
    assert raised.value.path == "$.ovsdb"


@contextmanager
def listening(path: Path, answer: bytes | None) -> Iterator[str]:
    """A socket that takes one connection and sends `answer`, or (None) nothing."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(1000)
                if answer is not None:
                    peer.sendall(answer)
                else:
                    peer.recv(1000)  # until the other side gives up

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"unix:{path}"
        thread.join()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "does not answer within"),
        (b"", "closed before the answer"),
        (b'{"id":0,"result":null,"error":"unknown database"}', "unknown database"),
    ],
)
def test_a_server_that_does_not_speak_the_protocol(tmp_path: Path, answer: bytes | None, words: str) -> None:
    with listening(tmp_path / "s", answer) as target, pytest.raises(Unavailable, match=words) as raised:
        echo(target, 0.2)
    assert raised.value.subject == target


def test_an_absent_server_and_a_path_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        echo(f"unix:{tmp_path}/none", 0.2)
    with pytest.raises(InvalidConfig) as raised:
        echo(f"unix:/{'x' * 200}", 0.2)
    assert "107 characters" in raised.value.hint


def test_a_call_without_time_does_not_begin(tmp_path: Path) -> None:
    client = OvsClient(f"unix:{tmp_path}/none")
    with pytest.raises(Timeout):
        client.port("p1", Call.within(0))
    client.close()


@pytest.mark.parametrize(
    "values",
    [
        {"tag": 4095},
        {"tag": -1},
        {"tag": 5, "vlan_mode": "acces"},
        {"vlan_mode": "access"},
    ],
)
def test_a_port_that_the_library_would_silently_drop_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(InvalidConfig) as raised:
        PortSpec(bridge="b", name="p1", owner="o", key="k", **values)  # type: ignore[arg-type]
    assert raised.value.subject == "OVS p1"


def test_a_bridge_with_an_unknown_fail_mode_is_refused() -> None:
    with pytest.raises(InvalidConfig):
        BridgeSpec(name="b", owner="o", fail_mode="open")


def test_without_ovsdbapp_the_extra_is_named(tmp_path: Path) -> None:
    """In a process of its own, where the import is blocked: an installed package cannot be missed otherwise."""
    program = f"""
import sys
sys.modules["ovsdbapp"] = None
from secnet.contract import Call, Unsupported
from secnet.ovs import OvsClient
try:
    OvsClient("unix:{tmp_path}/none").port("p1", Call())
except Unsupported as exc:
    print(exc)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "secnet[ovs]" in done.stdout


def test_importing_the_package_does_not_load_ovsdbapp() -> None:
    program = (
        "import sys, secnet.ovs; print([name for name in sys.modules if name.split('.')[0] in ('ovs', 'ovsdbapp')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
