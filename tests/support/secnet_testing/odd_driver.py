"""A third-party driver that does as a test says while it runs in an agent: it exits, hangs, lies, refuses."""

from __future__ import annotations

import os
from pathlib import Path

from .agent_process import AgentProcess
from .node import Node
from .plugged import plugged

__all__ = ["OddDriver"]

_DRIVER = '''
import subprocess, sys, time
from contextlib import nullcontext
from pathlib import Path
from secnet.contract import (
    Attachment, AttachResult, CheckReport, DriverInfo, Inventory, MissingPrivilege, NetworkDriver, NodeReport, ProbeReport
)

HERE = Path(__file__).parent

def ordered(method):
    """What the file of this method says, if there is one."""
    return (HERE / method).read_text() if (HERE / method).exists() else ""

def act(method, call=None):
    what = ordered(method)
    with (HERE / f"{method}.called").open("a") as file:
        file.write("x")
    if what == "exit":
        sys.exit(3)
    if what == "hang":
        with call.step(f"odd.{method}") if call is not None else nullcontext():
            while ordered(method) == "hang":
                time.sleep(0.02)
    if what == "refuse":
        raise MissingPrivilege("the device refuses", hint="ask its owner")
    if what == "spawn":
        done = subprocess.run(["grep", "SigBlk", "/proc/self/status"], capture_output=True, text=True, check=True)
        (HERE / "mask").write_text(done.stdout.split()[1])
    return what

class Driver(NetworkDriver):
    @classmethod
    def describe(cls):
        return DriverInfo(network_type="odd", summary="does as its configuration says")

    def probe(self):
        act("probe")
        return ProbeReport(ready=True)

    def plan(self, request, call):
        return Attachment(request=request)

    def attach(self, attachment, call):
        return AttachResult(netdev=act("attach", call) == "lie")

    def check(self, attachment, call):
        act("check", call)
        return CheckReport()

    def detach(self, attachment, call):
        act("detach", call)

    def inventory(self, call):
        act("inventory", call)
        return Inventory()

    def reconcile_node(self, desired, call):
        act("reconcile_node", call)
        return NodeReport()
'''


class OddDriver:
    """A distribution `thirdparty` 1.2 with the driver `odd`, and what the driver is to do: one file a method."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        info = folder / "thirdparty-1.2.dist-info"
        info.mkdir(parents=True)
        (folder / "thirdparty.py").write_text(_DRIVER, encoding="utf-8")
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparty\nVersion: 1.2\n", encoding="utf-8")
        (info / "entry_points.txt").write_text("[secnet.network_types]\nodd = thirdparty:Driver\n", encoding="utf-8")

    def agent(self, node: Node, *, ready: bool = True) -> AgentProcess:
        """An agent that has it installed."""
        return node.agent(program=plugged(self.folder), ready=ready)

    def does(self, method: str, what: str) -> None:
        """exit, hang (until it is to do something else), lie, refuse or spawn; empty to do as a driver should."""
        temporary = self.folder / f"{method}.new"
        temporary.write_text(what, encoding="utf-8")
        os.replace(temporary, self.folder / method)

    def calls(self, method: str) -> int:
        """How often it was called."""
        file = self.folder / f"{method}.called"
        return len(file.read_text(encoding="utf-8")) if file.exists() else 0
