"""A private Open vSwitch with the userspace datapath: own database, own sockets, own directory; never the system's."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

__all__ = ["Switch", "private_switch"]

_START_SECONDS = 20.0
_STOP_SECONDS = 10.0
_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class Switch:
    """A running switch. target: what an OVSDB client connects to. vswitchd: process id of ovs-vswitchd."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "db.sock"
        self.target = f"unix:{self.socket}"
        self.vswitchd = 0

    def vsctl(self, *words: str) -> str:
        """Run ovs-vsctl against this database; returns what it printed."""
        return _run("ovs-vsctl", f"--db={self.target}", "--timeout=60", *words)

    def settle(self) -> None:
        """Wait until ovs-vswitchd has acted on everything written so far, such as ports whose removal no caller waited for."""
        self.vsctl("set", "Open_vSwitch", ".", f"external_ids:bench-settled={time.monotonic_ns()}")


@contextmanager
def private_switch(directory: Path) -> Iterator[Switch]:
    """Start ovsdb-server and ovs-vswitchd in the caller's network namespace; both are gone at the end."""
    directory.mkdir()
    switch = Switch(directory)
    # Management sockets of each bridge go to this directory as well.
    environment = os.environ | {"OVS_RUNDIR": str(directory), "OVS_LOGDIR": str(directory), "OVS_DBDIR": str(directory)}
    database = directory / "conf.db"
    _run("ovsdb-tool", "create", str(database), _SCHEMA)
    with ExitStack() as stack:
        server = ["ovsdb-server", str(database), f"--remote=punix:{switch.socket}"]
        process = stack.enter_context(_daemon(directory, environment, server))
        _until(switch.socket.exists, process, directory / "ovsdb-server.log")
        switch.vsctl("--no-wait", "init")
        process = stack.enter_context(_daemon(directory, environment, ["ovs-vswitchd", switch.target]))
        _until(
            lambda: bool(switch.vsctl("get", "Open_vSwitch", ".", "datapath_types").strip("[] \n")), process, directory
        )
        switch.vswitchd = process.pid
        yield switch


@contextmanager
def _daemon(directory: Path, environment: dict[str, str], argv: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    name = argv[0]
    options = ["-vconsole:off", f"--unixctl={directory / name}.ctl", f"--log-file={directory / name}.log"]
    process = subprocess.Popen([*argv, *options], env=environment, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} did not start; see {log}")
        time.sleep(0.02)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout
