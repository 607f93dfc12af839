"""A private Open vSwitch for tests: own database, own sockets, own processes, never the system's.

A pytest plugin; the root conftest.py loads it. It uses the userspace datapath, which needs no kernel module. That makes a tap
`ovs-netdev` in its network namespace, so each namespace holds one Open vSwitch at most. Only in a guest, which has no switch
of its own, is it the kernel's datapath.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from secnet.linux.netns import in_netns
from secnet_conformance.needs import requires_command, requires_root

from .netns import Namespace

__all__ = ["OvsFactory", "PrivateOvs", "ovs"]

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
_START_SECONDS = 20.0
_STOP_SECONDS = 10.0

_COLUMNS = {
    "Open_vSwitch": ["_uuid", "external_ids", "other_config"],
    "Bridge": [
        *("_uuid", "name", "ports", "mirrors", "datapath_type", "mcast_snooping_enable", "fail_mode"),
        *("external_ids", "other_config"),
    ],
    "Port": ["_uuid", "name", "interfaces", "tag", "trunks", "vlan_mode", "qos", "external_ids", "other_config"],
    "Interface": [
        *("_uuid", "name", "type", "ofport", "error", "options", "ingress_policing_rate", "external_ids"),
        "other_config",
    ],
    "QoS": ["_uuid", "type", "queues", "external_ids", "other_config"],
    "Queue": ["_uuid", "external_ids", "other_config"],
    "Mirror": ["_uuid", "name", "select_all", "output_port", "external_ids"],
}
"""What a picture holds: whatever one may leave behind, and nothing that changes by itself."""


class PrivateOvs:
    """ovsdb-server and ovs-vswitchd in a network namespace, each to be stopped, started and paused on its own."""

    def __init__(self, node: Namespace, folder: Path, *, kernel_datapath: bool = False) -> None:
        self.node = node
        self._datapath_options = [] if kernel_datapath else ["--disable-system"]
        self.folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.new_database()

    @property
    def target(self) -> str:
        """What a client connects to."""
        return f"unix:{self.folder}/db.sock"

    def start(self) -> None:
        """Start both processes and wait until they answer."""
        self.start_server()
        self.vsctl("--no-wait", "init")
        self.start_switch()

    def new_database(self) -> None:
        """Put an empty database in the place of the one there is; not while a server has it."""
        database = self.folder / "conf.db"
        database.unlink(missing_ok=True)
        self._run("ovsdb-tool", "create", str(database), SCHEMA)

    def start_server(self) -> None:
        """Start ovsdb-server on the database as it is."""
        self._start("ovsdb-server", str(self.folder / "conf.db"), f"--remote=p{self.target}")

    def start_switch(self) -> None:
        """Start ovs-vswitchd."""
        self._start("ovs-vswitchd", self.target, *self._datapath_options)

    def stop_server(self) -> None:
        """End ovsdb-server; the database file stays."""
        self._stop("ovsdb-server")

    def stop_switch(self) -> None:
        """End ovs-vswitchd; the rows stay."""
        self._stop("ovs-vswitchd")

    def kill_switch(self) -> None:
        """Kill ovs-vswitchd: its control socket stays."""
        process = self._processes.pop("ovs-vswitchd")
        process.kill()
        process.wait()

    def pause_server(self) -> None:
        """Let ovsdb-server hang: its socket takes connections and nothing answers."""
        self._processes["ovsdb-server"].send_signal(signal.SIGSTOP)

    def resume_server(self) -> None:
        """Let ovsdb-server go on."""
        self._processes["ovsdb-server"].send_signal(signal.SIGCONT)

    def pause_switch(self) -> None:
        """Let ovs-vswitchd hang: rows are accepted, nothing acts on them."""
        self._processes["ovs-vswitchd"].send_signal(signal.SIGSTOP)

    def resume_switch(self) -> None:
        """Let ovs-vswitchd go on."""
        self._processes["ovs-vswitchd"].send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End what still runs."""
        for name in ("ovs-vswitchd", "ovsdb-server"):
            self._stop(name)

    def vsctl(self, *args: str) -> str:
        """Run ovs-vsctl on this database; it waits for ovs-vswitchd unless told otherwise."""
        return self._run("ovs-vsctl", "--timeout=10", f"--db={self.target}", *args)

    def appctl(self, *args: str) -> str:
        """Run ovs-appctl on ovs-vswitchd."""
        return self._run("ovs-appctl", "--timeout=10", "-t", str(self.folder / "ovs-vswitchd.ctl"), *args)

    def rows(self) -> dict[str, dict[str, dict[str, Any]]]:
        """The rows of all tables that a driver may write: table -> name -> column -> value, to be compared.

        References are names; a row that has none goes by its UUID, and the one of Open_vSwitch by its table.
        The number of a port in its bridge is left out, as it changes with each start; `open` says whether it has one.
        """
        request = [
            "Open_vSwitch",
            *({"op": "select", "table": t, "where": [], "columns": c} for t, c in _COLUMNS.items()),
        ]
        answer = json.loads(self._run("ovsdb-client", "--timeout=10", "transact", self.target, json.dumps(request)))
        plain = {
            table: [{key: _plain(value) for key, value in row.items()} for row in part["rows"]]
            for table, part in zip(_COLUMNS, answer, strict=True)
        }
        plain["Open_vSwitch"] = [{**row, "name": "Open_vSwitch"} for row in plain["Open_vSwitch"]]
        names = {row["_uuid"]: row.get("name", row["_uuid"]) for rows in plain.values() for row in rows}
        return {table: {names[row["_uuid"]]: _stable(row, names) for row in rows} for table, rows in plain.items()}

    def _run(self, *argv: str) -> str:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, env=self._environment())
        assert done.returncode == 0, f"{' '.join(argv)} failed ({done.returncode}): {done.stderr}"
        return done.stdout

    def _environment(self) -> dict[str, str]:
        places = dict.fromkeys(("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"), str(self.folder))
        return {**os.environ, **places}

    def _start(self, name: str, *args: str) -> None:
        control = self.folder / f"{name}.ctl"
        argv = [name, *args, f"--unixctl={control}", "-vconsole:warn", "-vsyslog:off"]
        with self.node.open() as fd, (self.folder / f"{name}.log").open("ab") as log:
            process = in_netns(
                fd,
                lambda: subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment()
                ),
            )
        self._processes[name] = process
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers(control):
            text = (self.folder / f"{name}.log").read_text()
            assert process.poll() is None, f"{name} ended at its start: {text}"
            assert time.monotonic() < deadline, f"{name} does not answer: {text}"
            time.sleep(0.02)

    def _answers(self, control: Path) -> bool:
        if not control.exists():
            return False
        argv = ["ovs-appctl", "--timeout=5", "-t", str(control), "version"]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0

    def _stop(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        (self.folder / f"{name}.ctl").unlink(missing_ok=True)


OvsFactory = Callable[[Namespace], PrivateOvs]


@pytest.fixture
def ovs() -> Iterator[OvsFactory]:
    """Makes a running Open vSwitch in a node's namespace; it ends with the test, before its namespace."""
    requires_root()
    requires_command("ovsdb-server", "ovs-vswitchd", "ovsdb-tool", "ovsdb-client", "ovs-vsctl", "ovs-appctl")
    made: list[PrivateOvs] = []

    def make(node: Namespace) -> PrivateOvs:
        # Not tmp_path: with a long test name the sockets' paths would not fit into their 107 characters.
        folder = Path(tempfile.mkdtemp(prefix="sn-ovs-"))
        try:
            switch = PrivateOvs(node, folder)
        except BaseException:
            shutil.rmtree(folder)
            raise
        made.append(switch)
        switch.start()
        return switch

    try:
        yield make
    finally:
        for switch in reversed(made):
            switch.stop()
            shutil.rmtree(switch.folder)


def _plain(value: Any) -> Any:
    """A column's value out of the notation of RFC 7047."""
    if not isinstance(value, list):
        return value
    kind, content = value
    if kind == "uuid":
        return content
    if kind == "set":
        return [_plain(item) for item in content]
    return dict(content)


def _stable(row: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    stable = {key: value for key, value in row.items() if key not in ("_uuid", "ofport")}
    for column in ("ports", "interfaces"):
        if column in row:
            values = row[column] if isinstance(row[column], list) else [row[column]]
            stable[column] = sorted(names[value] for value in values)
    if "ofport" in row:
        stable["open"] = isinstance(row["ofport"], int) and row["ofport"] > 0
    return stable
