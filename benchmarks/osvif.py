"""The OVS part alone: os-vif in a process of its own beside our OVS client, on the same switch, on veth pairs made beforehand.

os-vif's unplug also removes the link, so what is compared with it is our port's removal and the link's.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from secnet.contract import Call
from secnet.linux.netns import identify, open_netns
from secnet.linux.rtnl import Link, host_rtnl
from secnet.ovs import OvsClient, PortSpec

from .objects import BRIDGE
from .task import MTU, VLAN
from .world import Pod, World

__all__ = ["OsVif", "OurPort", "device", "missing"]

_BRIDGE = "br-osvif"
_MAC = "02:00:00:00:77:01"
_SECONDS = 30.0


def missing(python: Path) -> str:
    """Why os-vif cannot be measured with that interpreter; empty when it can."""
    if not os.access(python, os.X_OK):
        return f"os-vif: {python} does not exist (make it with: tools/setup bench)"
    found = subprocess.run([python, "-c", "import os_vif, vif_plug_ovs"], capture_output=True, check=False)
    return "" if found.returncode == 0 else f"{python} has no os-vif (make it with: tools/setup bench)"


@contextmanager
def device(pod: Pod, name: str) -> Iterator[Link]:
    """A veth pair between the node and the Pod, up on the node's side; removed at the end if it still exists."""
    with open_netns(identify(pod.path)) as fd, host_rtnl() as node:
        link = node.create_veth(name, "bench0", fd, _MAC, MTU)
        node.set_link(link.index, up=True)
    try:
        yield link
    finally:
        with host_rtnl() as node:
            if node.link(name) is not None:
                node.delete_link(link.index)


class OurPort:
    """Our OVS client, as the vlan driver uses it."""

    def __init__(self, world: World) -> None:
        self._client = OvsClient(world.switch.target)

    def plug(self, link: Link) -> float:
        """Add the port and wait until ovs-vswitchd took it; seconds."""
        spec = PortSpec(bridge=BRIDGE, name=link.name, owner="bench", key=link.name, tag=VLAN, vlan_mode="access")
        start = time.perf_counter()
        self._client.add_port(spec, Call.within(_SECONDS))
        return time.perf_counter() - start

    def unplug(self, link: Link) -> tuple[float, float]:
        """Remove the port, then the link; seconds of the first and of both."""
        start = time.perf_counter()
        self._client.delete_port(link.name, "bench", Call.within(_SECONDS))
        port = time.perf_counter() - start
        with host_rtnl() as node:
            node.delete_link(link.index)
        return port, time.perf_counter() - start

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class OsVif:
    """os-vif behind a pipe."""

    def __init__(self, world: World, python: Path) -> None:
        with open(world.directory / "os-vif.log", "wb") as log:
            self._worker = subprocess.Popen(
                [python, Path(__file__).with_name("osvif_worker.py"), world.switch.target, _BRIDGE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._log = world.directory / "os-vif.log"
        self.version = str(self._read()["version"])

    def plug(self, link: Link) -> float:
        """Add the port; os-vif waits until ovs-vswitchd acted. Seconds."""
        return self._ask("plug", link)

    def unplug(self, link: Link) -> float:
        """Remove port and link; seconds."""
        return self._ask("unplug", link)

    def close(self) -> None:
        """End the process."""
        for stream in (self._worker.stdin, self._worker.stdout):
            if stream is not None:
                stream.close()
        self._worker.wait(_SECONDS)

    def _ask(self, verb: str, link: Link) -> float:
        assert self._worker.stdin is not None
        self._worker.stdin.write(json.dumps({"verb": verb, "device": link.name, "mac": _MAC}) + "\n")
        self._worker.stdin.flush()
        return float(self._read()["seconds"])

    def _read(self) -> Any:
        assert self._worker.stdout is not None
        line = self._worker.stdout.readline()
        if not line:
            text = self._log.read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"os-vif ended: {text[-2000:]}")
        return json.loads(line)
