"""A card that is not there: real links of the kernel stand in for the netdevs of its functions.

No real card can be here: SR-IOV needs hardware, or a virtual machine that emulates it (the VM tier tests the drivers on that).
So sysfs is a tree of files, what a physical function keeps is a file, and each netdev is one end of a veth pair whose other end,
in a namespace that plays the card, tells which device it is. All of it is found by paths below the sysfs root, so that a new
process with the same HostContext sees the same card.

What real devices do and these cannot: a veth dies with its namespace where a device comes back to the host. The next look for it
makes it again, under another name and with other settings.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from secnet.contract import Unsupported
from secnet.linux.functions import Function, Functions
from secnet.linux.rtnl import Link, Rtnl, VirtualFunction, host_rtnl, netns_rtnl
from secnet_conformance.netns import Namespace
from secnet_sriov import SriovDriver, SriovSfDriver, SriovVfDriver
from secnet_sriov.card import ATTRIBUTES, Card, Value, no_uplink

from .fake_sysfs import FakeSys

__all__ = ["StandInCard", "StandInDriver", "StandInSfDriver", "StandInVfDriver", "StandIns"]

_BACK_MTU = 1380
_FIELDS = {
    "vlan": ("vlan", "qos", "proto"),
    "mac": ("mac",),
    "spoofchk": ("spoofchk",),
    "trust": ("trust",),
    "rate": ("min_tx_rate", "max_tx_rate"),
    "linkState": ("link_state",),
}


class StandIns:
    """The files and links behind a StandInCard. `node`: the test's own thread is in it when it calls."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files = root / "standins"

    @classmethod
    def make(cls, root: Path, card: Namespace) -> StandIns:
        """An empty card whose ends of the pairs are in the namespace `card`."""
        made = cls(root)
        made._files.mkdir(parents=True)
        (made._files / "card").write_text(card.name)
        return made

    def add(self, device: str, name: str, *, mac: str, mtu: int = 1500, alias: str = "", **vf: Any) -> None:
        """A link for a device of the tree; `vf`: fields of VirtualFunction in which its physical function's word differs."""
        peer = f"p-{name}"
        self.save(
            device,
            {
                "peer": peer,
                "vf": dataclasses.asdict(VirtualFunction(**{"number": 0, **vf})),
                "refuses": [],
                "reverts": "",
                "away": False,
                "unlinked": False,
            },
        )
        self.create(device, name, mac, mtu)
        with host_rtnl() as kernel:
            link = kernel.link(name)
            assert link is not None
            if alias:
                kernel.set_link(link.index, alias=alias)

    def create(self, device: str, name: str, mac: str, mtu: int) -> None:
        """Make the pair of a device."""
        with host_rtnl() as kernel, self.card().open() as fd:
            made = kernel.create_veth(name, self.load(device)["peer"], fd, mtu=mtu, group=0)
            kernel.set_link(made.index, mac=mac)

    def card(self) -> Namespace:
        """The namespace that plays the card."""
        return Namespace(name=(self._files / "card").read_text())

    def peer(self, device: str) -> Link | None:
        """The card's end of a device's pair; None while it has none."""
        if device not in self.devices():
            return None
        with self.card().open() as fd, netns_rtnl(fd) as inside:
            return inside.link(self.load(device)["peer"])

    def cut(self, device: str) -> None:
        """End the pair of a device, wherever its netdev is."""
        with self.card().open() as fd, netns_rtnl(fd) as inside:
            link = inside.link(self.load(device)["peer"])
            if link is not None:
                inside.delete_link(link.index)

    def lose(self, device: str) -> None:
        """Take the device away for good."""
        self.cut(device)
        FakeSys(self.root).remove(device)
        (self._files / f"{device}.json").unlink()

    def devices(self) -> list[str]:
        """All that have a stand-in."""
        return sorted(path.stem for path in self._files.glob("*.json"))

    def load(self, device: str) -> dict[str, Any]:
        """What is known of a device."""
        data: dict[str, Any] = json.loads((self._files / f"{device}.json").read_text())
        return data

    def save(self, device: str, data: dict[str, Any]) -> None:
        """Write it down."""
        (self._files / f"{device}.json").write_text(json.dumps(data))

    def set(self, device: str, **fields: Any) -> None:
        """refuses: attributes that the card cannot do. reverts: a MAC that the link falls back to when the card is told another.
        away: the link is on its way back from a namespace that ended. unlinked: a program took the physical function.
        """
        self.save(device, {**self.load(device), **fields})

    def kept(self) -> dict[str, Any]:
        """What the physical function keeps for each device."""
        return {device: self.load(device)["vf"] for device in self.devices()}


class _StandInFunctions(Functions):
    """A driver that begins again takes its MAC from the physical function, as igbvf does."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._sys, self._standins = FakeSys(root), StandIns(root)

    def bind(self, device: str, driver: str) -> None:
        super().bind(device, driver)
        self._sys.bind(device, driver)

    def unbind(self, device: str, driver: str) -> None:
        super().unbind(device, driver)
        self._sys.unbind(device)
        self._standins.cut(device)


class StandInCard(Card):
    """Finds links by their pairs, and keeps the word of the physical function in files."""

    def __init__(self, sysfs_root: Path) -> None:
        super().__init__(sysfs_root)
        self.functions = _StandInFunctions(sysfs_root)
        self._standins = StandIns(sysfs_root)

    def netdev(self, kernel: Rtnl, device: str) -> Link | None:
        function = self.functions.get(device)
        if function is None or not function.driver or self._standins.load(device)["away"]:
            return None
        peer = self._standins.peer(device)
        if peer is None:
            self._come_back(device)
            peer = self._standins.peer(device)
        link = kernel.link_by_index(peer.peer_index) if peer else None
        return link if link and self.is_of(link, device) else None

    def _come_back(self, device: str) -> None:
        mac_set = self._standins.load(device)["vf"].get("mac", "00:00:00:00:00:00")
        number = self._standins.devices().index(device)
        mac = f"02:ba:cc:00:00:{number:02x}" if mac_set == "00:00:00:00:00:00" else mac_set
        self._standins.create(device, f"back{number}", mac, _BACK_MTU)

    def is_of(self, link: Link, device: str) -> bool:
        peer = self._standins.peer(device)
        return (
            peer is not None
            and link.kind == "veth"
            and (link.peer_index, link.index)
            == (
                peer.index,
                peer.peer_index,
            )
        )

    def device_of(self, link: Link) -> str:
        return next((device for device in self._standins.devices() if self.is_of(link, device)), "")

    def can_configure(self, kernel: Rtnl, function: Function) -> bool:
        return not self._standins.load(function.id)["unlinked"]

    def vf(self, kernel: Rtnl, function: Function) -> VirtualFunction:
        if not self.can_configure(kernel, function):
            raise no_uplink(function)
        return VirtualFunction(**self._standins.load(function.id)["vf"])

    def set_vf(self, kernel: Rtnl, function: Function, attribute: str, value: Value) -> None:
        data = self._standins.load(function.id)
        if data["unlinked"]:
            raise no_uplink(function)
        if attribute in data["refuses"]:
            raise Unsupported("Operation not supported (EOPNOTSUPP)", hint="this device cannot do it")
        data["vf"] |= dict(zip(_FIELDS[attribute], value, strict=True))
        self._standins.save(function.id, data)
        link = self.netdev(kernel, function.id)
        if attribute == "mac" and data["reverts"] and link is not None:
            kernel.set_link(link.index, mac=data["reverts"])


assert set(_FIELDS) == set(ATTRIBUTES)


class StandInDriver(SriovDriver):
    """The type sriov on a stand-in."""

    card_class = StandInCard


class StandInVfDriver(SriovVfDriver):
    """The type sriov-vf on a stand-in."""

    card_class = StandInCard


class StandInSfDriver(SriovSfDriver):
    """The type sriov-sf on a stand-in."""

    card_class = StandInCard
