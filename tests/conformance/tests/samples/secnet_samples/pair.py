"""A right driver: a veth pair, a device of the host that is given back as it was, and a lock file that somebody else may hold.

What the device was before stands in the plan, and on the device itself: the inventory has no other record.
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from secnet.contract import (
    DIALECT,
    Attachment,
    AttachmentId,
    AttachRequest,
    AttachResult,
    Call,
    CheckReport,
    Conflict,
    DriverInfo,
    Finding,
    InvalidConfig,
    Inventory,
    NetworkDriver,
    NotReady,
    Owned,
    ProbeReport,
    VerifyFailed,
)
from secnet.linux.names import LINK_GROUP, alias_for, host_ifname, mac_for, parse_alias
from secnet.linux.ownership import is_marked, rebuilt
from secnet.linux.rtnl import Link, Rtnl, host_rtnl, pod_rtnl

__all__ = ["LOCK", "OPTIONS", "PairDriver"]

LOCK = "pair.lock"
"""File in the run directory that is held while a pair is made."""

PREFIX = "pr"
_WAS = " was "
"""In the alias of a device that is taken: between who has it and the alias that it had before."""

OPTIONS: Mapping[str, Any] = {
    "$schema": DIALECT,
    "title": "Pair options",
    "description": "Options of the type pair.",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "colour": {
            "title": "Colour",
            "description": "A word that the host end carries.",
            "type": "string",
            "pattern": "^[a-z]+$",
            "examples": ["red"],
        }
    },
}


class PairDriver(NetworkDriver):
    """Makes a veth pair. The device is a link of the host whose alias says who has it; it has another one when it is free."""

    network_type = "pair"

    @classmethod
    def describe(cls) -> DriverInfo:
        return DriverInfo(
            network_type=cls.network_type,
            summary="a pair of links",
            options=OPTIONS,
            capabilities=frozenset({"mac", "mtu"}),
            needs_device=True,
            example={"colour": "red"},
        )

    def probe(self) -> ProbeReport:
        return ProbeReport(ready=True)

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        mtu = request.mtu or 1500
        if mtu > 9000:
            raise InvalidConfig(f"an MTU of {mtu} is too much", hint="9000 at most", path="$.mtu")
        slot = self.slot(request)
        attachment = Attachment(
            request=request,
            names={"host": host_ifname(request.key, PREFIX)},
            prior=self.prior(slot),
            mac=request.mac or mac_for(request.key),
            mtu=mtu,
        )
        with pod_rtnl(request.netns) as (_, pod), host_rtnl() as kernel:
            self.require_free(self.find(kernel, attachment), pod.link(request.ifname))
        return attachment

    def require_free(self, left: Link | None, inside: Link | None) -> None:
        """Raises Conflict if the Pod's interface of this name is not the other end of our link."""
        if inside is not None and (left is None or inside.peer_index != left.index):
            raise Conflict("the Pod has such an interface", hint="ask for another name", subject=inside.name)

    def lock_keys(self, request: AttachRequest) -> tuple[str, ...]:
        return (request.device.id,) if request.device else ()

    def slot(self, request: AttachRequest) -> Link:
        """The device. Raises NotReady if it is not there."""
        name = request.device.id if request.device else ""
        with host_rtnl() as kernel:
            link = kernel.link(name)
        if link is None:
            raise NotReady(f"there is no device {name}", hint="it is tried again")
        return link

    def prior(self, slot: Link) -> dict[str, Any]:
        return {"alias": slot.alias}

    def find(self, kernel: Rtnl, attachment: Attachment) -> Link | None:
        """The host end, if there is one. Raises Conflict for somebody else's link."""
        name = attachment.names["host"]
        link = kernel.link(name)
        if link is not None and not self.is_ours(link, attachment):
            raise Conflict(f"the host has a link {name} already", hint="remove it", subject=f"link {name}")
        return link

    def is_ours(self, link: Link, attachment: Attachment) -> bool:
        return is_marked(link, "veth", alias_for(self.host.owner_tag, attachment.key))

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        request = attachment.request
        with (
            self.lock(call),
            pod_rtnl(request.netns) as (fd, pod),
            host_rtnl() as kernel,
        ):
            link = self.find(kernel, attachment) or self.create(kernel, attachment, fd, call)
            self.finish(kernel, link, attachment, call)
            inside = pod.link(request.ifname)
        if inside is None or (inside.mac, inside.mtu) != (attachment.mac, attachment.mtu):
            raise VerifyFailed("the link does not read back as written", hint="it is tried again")
        return AttachResult(mac=inside.mac, mtu=inside.mtu)

    @contextmanager
    def lock(self, call: Call) -> Iterator[None]:
        """Hold the lock file, within the deadline."""
        fd = os.open(self.host.run_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            self.wait_for(fd, call)
            yield
        finally:
            os.close(fd)

    def wait_for(self, fd: int, call: Call) -> None:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            call.sleep(0.02)

    def create(self, kernel: Rtnl, attachment: Attachment, fd: int, call: Call) -> Link:
        host, ifname = attachment.names["host"], attachment.request.ifname
        with call.step("pair.create", host=host):
            return kernel.create_veth(host, ifname, fd, attachment.mac, attachment.mtu or 1500)

    def finish(self, kernel: Rtnl, link: Link, attachment: Attachment, call: Call) -> None:
        alias = alias_for(self.host.owner_tag, attachment.key)
        if link.alias != alias or not link.up:
            with call.step("pair.mark", host=link.name):
                kernel.set_link(link.index, alias=alias, up=True)
        self.take(kernel, attachment, call)

    def take(self, kernel: Rtnl, attachment: Attachment, call: Call) -> None:
        """Write onto the device who has it, and what it was before."""
        slot, mark = self.slot(attachment.request), self.mark_of(attachment.key)
        if not slot.alias.startswith(mark):
            with call.step("slot.take", slot=slot.name):
                kernel.set_link(slot.index, alias=f"{mark}{attachment.prior.get('alias', '')}")

    def mark_of(self, key: AttachmentId) -> str:
        """How the alias of a device begins that an attachment has."""
        return f"{alias_for(self.host.owner_tag, key)}{_WAS}"

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        with pod_rtnl(attachment.request.netns) as (_, pod), host_rtnl() as kernel:
            outside, inside = kernel.link(attachment.names["host"]), pod.link(attachment.request.ifname)
        if outside is None or not self.is_ours(outside, attachment) or inside is None or not outside.up:
            return CheckReport(findings=(Finding(code="LinkMissing", message="an end is missing or down"),))
        if (inside.mac, inside.mtu) != (attachment.mac, attachment.mtu):
            return CheckReport(findings=(Finding(code="LinkChanged", message="MAC or MTU are others"),))
        return CheckReport(findings=self.check_device(attachment))

    def check_device(self, attachment: Attachment) -> tuple[Finding, ...]:
        """Whether the device is the attachment's."""
        mark = self.mark_of(attachment.key)
        with host_rtnl() as kernel:
            taken = any(slot.alias.startswith(mark) for slot in kernel.links())
        return () if taken else (Finding(code="SlotMissing", message="no device says that this has it"),)

    def detach(self, attachment: Attachment, call: Call) -> None:
        with host_rtnl() as kernel:
            # The pair goes last: while anything is left, the inventory finds it by the pair.
            self.restore(kernel, attachment, call)
            link = kernel.link(attachment.names["host"])
            if link is not None and self.is_ours(link, attachment):
                with call.step("pair.delete", host=link.name):
                    kernel.delete_link(link.index)

    def restore(self, kernel: Rtnl, attachment: Attachment, call: Call) -> None:
        """Give the device back as it was, unless it is gone or has another owner by now."""
        mark = self.mark_of(attachment.key)
        for slot in kernel.links():
            if slot.alias.startswith(mark):
                with call.step("slot.restore", slot=slot.name):
                    kernel.set_link(slot.index, alias=attachment.prior.get("alias", ""))

    def inventory(self, call: Call) -> Inventory:
        with host_rtnl() as kernel:
            links = kernel.links()
        ours = [link for link in links if link.group == LINK_GROUP and self.is_made_here(link)]
        return Inventory(owned=tuple(self.rebuilt(link, links) for link in ours))

    def is_made_here(self, link: Link) -> bool:
        parsed = parse_alias(link.alias)
        return parsed is not None and parsed[0] == self.host.owner_tag and link.name == host_ifname(parsed[1], PREFIX)

    def rebuilt(self, link: Link, links: Sequence[Link]) -> Owned:
        """What stands on the host end and on the device that it has, if it has one yet."""
        parsed = parse_alias(link.alias)
        assert parsed is not None
        mark = self.mark_of(parsed[1])
        found = [slot.alias.removeprefix(mark) for slot in links if slot.alias.startswith(mark)]
        attachment = dataclasses.replace(
            rebuilt(parsed[1], self.network_type, {"host": link.name}), prior={"alias": found[0]} if found else {}
        )
        return Owned(attachment=attachment, complete=link.up and self.is_whole(found))

    def is_whole(self, priors: Sequence[str]) -> bool:
        """Whether a pair has all that belongs to it, given what the devices were that it has."""
        return bool(priors)
