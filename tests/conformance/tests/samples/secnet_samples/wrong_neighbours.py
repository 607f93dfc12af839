"""Drivers that are wrong beside something else: another agent, another process, a like attachment, the state of the node."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from secnet.contract import (
    EMPTY_FRAGMENT,
    Attachment,
    AttachRequest,
    AttachResult,
    Call,
    DriverInfo,
    Finding,
    NodeReport,
)
from secnet.linux.names import LINK_GROUP, alias_for, parse_alias
from secnet.linux.rtnl import Link, Rtnl, host_rtnl

from .pair import PairDriver

__all__ = [
    "DetachesNeighbours",
    "LeavesFiles",
    "LiesAboutNetdev",
    "NamesByMemory",
    "NodeIgnoresUsers",
    "NodeTakesForeign",
    "NodeWithoutSteps",
    "SecondOptionLeaks",
    "TakesForeignTag",
]

_BRIDGE = "pair-br0"


class TakesForeignTag(PairDriver):
    """Knows its links by their key, whichever agent's tag they carry."""

    network_type = "takes-foreign-tag"

    def is_ours(self, link: Link, attachment: Attachment) -> bool:
        marked = parse_alias(link.alias)
        unmarked = not link.alias and link.group == LINK_GROUP
        return link.kind == "veth" and (unmarked or (marked is not None and marked[1] == attachment.key))


class NamesByMemory(PairDriver):
    """The name holds a number of this process: another one computes another."""

    network_type = "names-by-memory"

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        attachment = super().plan(request, call)
        name = f"{attachment.names['host'][:8]}{os.getpid() % 1000000}"
        return dataclasses.replace(attachment, names={"host": name})

    def is_made_here(self, link: Link) -> bool:
        marked = parse_alias(link.alias)
        return marked is not None and marked[0] == self.host.owner_tag and link.name.startswith("pr")


class DetachesNeighbours(PairDriver):
    """detach removes every link whose mark begins with the key."""

    network_type = "detaches-neighbours"

    def detach(self, attachment: Attachment, call: Call) -> None:
        super().detach(attachment, call)
        mine = alias_for(self.host.owner_tag, attachment.key)
        with host_rtnl() as kernel:
            for link in kernel.links(group=LINK_GROUP):
                if link.alias.startswith(mine):
                    with call.step("pair.sweep", host=link.name):
                        kernel.delete_link(link.index)


class LeavesFiles(PairDriver):
    """Notes each sandbox in a file of its own, and never removes it."""

    network_type = "leaves-files"

    def create(self, kernel: Rtnl, attachment: Attachment, fd: int, call: Call) -> Link:
        with call.step("note.write"):
            (self.host.run_dir / f"note-{attachment.names['host']}").touch()
        return super().create(kernel, attachment, fd, call)


class LiesAboutNetdev(PairDriver):
    """Says that the Pod got no interface, and it has one."""

    network_type = "lies-about-netdev"

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        return dataclasses.replace(super().attach(attachment, call), netdev=False)


class SecondOptionLeaks(PairDriver):
    """With a colour it makes another link, which detach finds by a mark that it does not yet have after its first step."""

    network_type = "second-option-leaks"

    def finish(self, kernel: Rtnl, link: Link, attachment: Attachment, call: Call) -> None:
        super().finish(kernel, link, attachment, call)
        name = f"{link.name[:13]}-c"
        if "colour" in attachment.request.options and kernel.link(name) is None:
            with call.step("colour.create"):
                extra = kernel.create_link(name, "bridge")
            with call.step("colour.mark"):
                kernel.set_link(extra.index, alias=f"colour of {link.name}")

    def detach(self, attachment: Attachment, call: Call) -> None:
        super().detach(attachment, call)
        with host_rtnl() as kernel:
            for link in kernel.links():
                if link.alias == f"colour of {attachment.names['host']}":
                    with call.step("colour.delete"):
                        kernel.delete_link(link.index)


class WithBridge(PairDriver):
    """A right one: a bridge on the node, which its links use in name only."""

    @classmethod
    def describe(cls) -> DriverInfo:
        return dataclasses.replace(super().describe(), node=EMPTY_FRAGMENT)

    def mark(self) -> str:
        return f"{self.host.owner_tag}:{self.network_type}"

    def is_bridge(self, link: Link) -> bool:
        return link.alias == self.mark() or (not link.alias and link.group == LINK_GROUP)

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        with host_rtnl() as kernel:
            link = kernel.link(_BRIDGE)
            if link is None:
                with call.step("bridge.create"):
                    link = kernel.create_link(_BRIDGE, "bridge")
            if not self.is_bridge(link):
                return NodeReport(findings=(Finding(code="Foreign", message=f"{_BRIDGE} is somebody else's"),))
            if link.alias != self.mark():
                with call.step("bridge.mark"):
                    kernel.set_link(link.index, alias=self.mark())
        return NodeReport()

    def teardown_node(self, call: Call) -> None:
        with host_rtnl() as kernel:
            link = kernel.link(_BRIDGE)
            if link is not None and self.is_bridge(link):
                with call.step("bridge.delete"):
                    kernel.delete_link(link.index)


class NodeTakesForeign(WithBridge):
    """Marks a bridge of its name as its own, whoever made it, and removes it at the end."""

    network_type = "node-takes-foreign"

    def is_bridge(self, link: Link) -> bool:
        return True


class NodeWithoutSteps(WithBridge):
    """Makes and removes its bridge outside of any step."""

    network_type = "node-without-steps"

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        return super().reconcile_node(desired, Call(deadline=call.deadline, cancel=call.cancel))

    def teardown_node(self, call: Call) -> None:
        super().teardown_node(Call(deadline=call.deadline, cancel=call.cancel))


class NodeIgnoresUsers(PairDriver):
    """teardown_node removes all that has the tag, living attachments too."""

    network_type = "node-ignores-users"

    def teardown_node(self, call: Call) -> None:
        with host_rtnl() as kernel:
            for link in kernel.links(group=LINK_GROUP):
                if self.is_made_here(link):
                    with call.step("pair.delete", host=link.name):
                        kernel.delete_link(link.index)
