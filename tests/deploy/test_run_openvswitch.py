"""The daemons of deploy/openvswitch, as their container starts them, beside another Open vSwitch of the node."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from secnet_conformance.needs import requires_command, requires_root
from secnet_conformance.netns import Namespace, new_namespace, remove_namespace
from secnet_testing.documents import ROOT

pytestmark = pytest.mark.ovs

PROGRAM = ROOT / "deploy/openvswitch/run-openvswitch"
_SECONDS = 30.0


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    requires_root()
    requires_command("nsenter", "unshare", "ovsdb-server", "ovs-vswitchd")
    made = new_namespace()
    try:
        yield made
    finally:
        remove_namespace(made)


@contextmanager
def running(*argv: str | Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A program, ended when the block ends."""
    process = subprocess.Popen(
        argv, env={**os.environ, **environment}, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def contained(namespace: Namespace, folder: Path, daemon: str) -> Iterator[subprocess.Popen[str]]:
    """A daemon whose directories of the node are folders here: `run` and `database`."""
    for name in ("run", "database"):
        (folder / name).mkdir(exist_ok=True)
    mounts = (
        "mount -t tmpfs none /run; mount -t tmpfs none /var/lib; mkdir /run/openvswitch /var/lib/openvswitch;"
        f"mount --bind {folder}/run /run/openvswitch; mount --bind {folder}/database /var/lib/openvswitch"
    )
    command = ["unshare", "--mount", "--", "bash", "-euc", f"{mounts}; exec {PROGRAM} {daemon}"]
    with running("nsenter", f"--net={namespace.path}", "--", *command) as process:
        yield process


def wait(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_neither_daemon_starts_beside_another_switch_whatever_directory_that_has(
    namespace: Namespace, tmp_path: Path
) -> None:
    theirs, ours = tmp_path / "antrea", tmp_path / "ours"
    theirs.mkdir()
    ours.mkdir()
    # With the name that a control socket has when no option gives another one.
    switch = ["ovs-vswitchd", f"unix:{theirs}/db.sock", "--disable-system"]
    with running("nsenter", f"--net={namespace.path}", "--", *switch, OVS_RUNDIR=str(theirs)) as other:
        wait(lambda: list(theirs.glob("ovs-vswitchd.*.ctl")), "the other one is there")
        for daemon in ("ovsdb-server", "ovs-vswitchd"):
            with contained(namespace, ours, daemon) as process:
                said, _ = process.communicate(timeout=_SECONDS)
            assert process.returncode == 1
            assert (
                f"another ovs-vswitchd runs on this node, with the control socket {theirs}/ovs-vswitchd.{other.pid}"
                in said
            )
            assert "label this node secnet.io/openvswitch=host" in said
    assert list((ours / "database").iterdir()) == []


def test_a_database_server_starts_again_beside_its_own_switch_and_no_second_one(
    namespace: Namespace, tmp_path: Path
) -> None:
    def answers() -> bool:
        command = ["ovsdb-client", "--timeout=2", "list-dbs", f"unix:{tmp_path}/run/db.sock"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    with ExitStack() as later:
        with contained(namespace, tmp_path, "ovsdb-server"):
            wait(answers, "the database answers")
            switch = later.enter_context(contained(namespace, tmp_path, "ovs-vswitchd --disable-system"))
            wait((tmp_path / "run/ovs-vswitchd.ctl").exists, "the switch is there")
            with contained(namespace, tmp_path, "ovsdb-server") as second:
                said, _ = second.communicate(timeout=_SECONDS)
            assert "another Open vSwitch answers at /run/openvswitch/db.sock" in said
        assert not answers()
        later.enter_context(contained(namespace, tmp_path, "ovsdb-server"))
        wait(answers, "the database answers again")
        assert switch.poll() is None
