"""The guest itself as a node: Open vSwitch on the kernel's datapath, and more patience."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..netns import Namespace, run_in
from ..node import Node
from ..ovs import PrivateOvs
from .nic import load, wait_until

__all__ = ["NODE", "GuestNode", "first_namespace", "play_guest_node", "wait_for_switch"]

NODE = "sn-node"
"""The name of the guest's first namespace. It plays the node: the kernel gives the devices of a Pod that ended to no other."""

_SWITCH_FROM_SECONDS = 11.0

_SETTINGS: dict[str, Any] = {
    "datapathType": "system",
    "workers": {"count": 4, "attachTimeout": 60, "checkInterval": 300, "drainSeconds": 5},
}


class GuestNode(Node):
    """A Node in the guest's first namespace, where the cards are."""

    slowness = 3

    def __init__(self, ovs: PrivateOvs, folder: Path, settings: dict[str, Any]) -> None:
        super().__init__(ovs.node, ovs, folder, settings)

    def configure(self, **settings: Any) -> None:
        """See Node; for a slow machine and the kernel's datapath."""
        super().configure(**{**_SETTINGS, **settings})


@contextmanager
def first_namespace() -> Iterator[Namespace]:
    """The guest's first namespace under the name `NODE`; no new one is made."""
    run_in(None, ["ip", "netns", "attach", NODE, "1"])
    try:
        yield Namespace(name=NODE)
    finally:
        run_in(None, ["ip", "netns", "del", NODE])


@contextmanager
def play_guest_node(folder: Path, **settings: Any) -> Iterator[GuestNode]:
    """The guest as a node, its directories in `folder`. settings: see `Node.configure`."""
    load("openvswitch", "8021q", "veth")
    switch_folder = Path(tempfile.mkdtemp(prefix="sn-ovs-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, switch_folder)
        ovs = PrivateOvs(stack.enter_context(first_namespace()), switch_folder, kernel_datapath=True)
        stack.callback(ovs.stop)
        wait_for_switch()
        ovs.start()
        made = GuestNode(ovs, folder, settings)
        stack.callback(made.close)
        yield made


def wait_for_switch() -> None:
    """Wait until ovs-vswitchd may be started.

    It looks how many processors there are 10 s after boot at the earliest, and until then handles no packet.
    """
    wait_until(lambda: _uptime() > _SWITCH_FROM_SECONDS, "the guest is 11 s old")


def _uptime() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])
