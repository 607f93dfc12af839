"""What the launcher of a virtual machine makes of a Pod's interface: KubeVirt's bridge binding, step by step.

The interface gets another name and MAC, loses its addresses, and becomes a port of a bridge with the guest's tap; the guest has
the MAC and the address. A stand-in with the old name keeps both too, for those who look into the Pod.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .netns import Namespace, run_in

__all__ = ["CURRENT", "OLDER", "BridgeBinding"]

_HASHED = "pod"
"""What KubeVirt's interface names begin with, and 11 hexadecimal digits follow: the other names are of those digits."""

CURRENT = ("bridge", "down", "rename", "mac", "master", "flush", "up", "learning", "tap", "stand-in")
"""The steps in the order of KubeVirt since 1.0."""
OLDER = ("down", "flush", "rename", "mac", "bridge", "tap", "master", "up", "learning", "stand-in")
"""Those of earlier versions, in which the link is renamed long before it is a port of a bridge."""


@dataclass(slots=True, kw_only=True)
class BridgeBinding:
    """The binding of one interface. Every step can be repeated.

    mac, addresses: what the interface was attached with, as `prepare` found it.
    """

    netns: Namespace
    ifname: str
    mac: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def _stem(self) -> str:
        return self.ifname.removeprefix(_HASHED)

    @property
    def nic(self) -> str:
        """The new name of the interface; as long as the kernel lets one be for a name of KubeVirt's."""
        return f"{self._stem}-nic"

    @property
    def bridge(self) -> str:
        """The bridge's name."""
        return f"k6t-{self._stem}"

    @property
    def tap(self) -> str:
        """The tap's name."""
        return f"tap{self.ifname[3:]}"

    def prepare(self) -> None:
        """Look at the interface as it was attached."""
        found = self.link(self.ifname)
        self.mac = str(found["address"])
        infos = [info for info in found["addr_info"] if info["scope"] == "global"]
        self.addresses = tuple(f"{info['local']}/{info['prefixlen']}" for info in infos)

    def link(self, name: str) -> dict[str, Any]:
        """A link of the Pod as `ip -d -j address` shows it; empty without one."""
        found = json.loads(run_in(self.netns, ["ip", "-d", "-j", "address", "show"]) or "[]")
        return next((item for item in found if item["ifname"] == name), {})

    def bind(self, steps: Sequence[str]) -> None:
        """Do some steps of an order."""
        for step in steps:
            {
                "bridge": self._add_bridge,
                "down": lambda: self._set(self._now, "down"),
                "flush": lambda: self._ip("address", "flush", "dev", self._now),
                "rename": self._rename,
                "mac": lambda: self._set(self.nic, "address", "02:6b:36:74:00:01"),
                "master": lambda: self._set(self.nic, "master", self.bridge),
                "up": lambda: self._set(self.nic, "up"),
                "learning": lambda: self._set(self.nic, "type", "bridge_slave", "learning", "off"),
                "tap": self._add_tap,
                "stand-in": self._add_stand_in,
            }[step]()

    def remove(self) -> None:
        """Take away what the launcher made, but the tap, on which a guest may still be."""
        for name in (self.bridge, self.ifname):
            if self.link(name).get("linkinfo", {}).get("info_kind") == "bridge":
                self._ip("link", "del", name)

    def add_tap(self) -> None:
        """Make the tap of the guest, if there is none yet."""
        if not self.link(self.tap):
            self._ip("tuntap", "add", "dev", self.tap, "mode", "tap")

    @property
    def _now(self) -> str:
        """The name that the interface has now."""
        return self.nic if self.link(self.nic) else self.ifname

    def _rename(self) -> None:
        if self._now != self.nic:
            self._set(self.ifname, "name", self.nic)

    def _add_bridge(self) -> None:
        if not self.link(self.bridge):
            self._ip("link", "add", self.bridge, "type", "bridge")
        self._set(self.bridge, "up")

    def _add_tap(self) -> None:
        self.add_tap()
        self._set(self.tap, "master", self.bridge)
        self._set(self.tap, "up")

    def _add_stand_in(self) -> None:
        """A dummy for KubeVirt, which stays down; a bridge without ports here, as not every kernel has dummies."""
        if not self.link(self.ifname):
            self._ip("link", "add", self.ifname, "address", self.mac, "type", "bridge")
        for address in self.addresses:
            self._ip("address", "replace", address, "dev", self.ifname, *(["nodad"] if ":" in address else []))
        # The guest alone is to answer for its address.
        run_in(self.netns, ["sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1"])

    def _set(self, name: str, *what: str) -> None:
        self._ip("link", "set", "dev", name, *what)

    def _ip(self, *args: str) -> None:
        run_in(self.netns, ["ip", *args])
