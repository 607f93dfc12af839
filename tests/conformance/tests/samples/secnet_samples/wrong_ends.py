"""Drivers that are wrong in how something ends: a detach, a failure, a teardown, a device's way back."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from secnet.contract import (
    Attachment,
    AttachResult,
    Call,
    Cancelled,
    Finding,
    NodeReport,
    Retryable,
    SecnetError,
)
from secnet.linux.names import LINK_GROUP
from secnet.linux.netns import identify
from secnet.linux.rtnl import Link, Rtnl, host_rtnl, pod_rtnl

from .pair import PairDriver
from .wrong_neighbours import WithBridge

__all__ = [
    "DetachNeedsDevice",
    "DetachSwallows",
    "DetachesByPath",
    "LeaksDescriptorOnError",
    "LeavesFileAfterFault",
    "RestoresConstant",
    "RestoresOthersPrior",
    "SecondOptionSameStep",
    "TeardownHalf",
]

_SECOND = "pair-br1"


class DetachSwallows(PairDriver):
    """A detach that cannot have its lock in time says that all is done: the record is dropped, and what it names stays."""

    network_type = "detach-swallows"

    def detach(self, attachment: Attachment, call: Call) -> None:
        with suppress(Cancelled, Retryable):
            call.checkpoint()
            with self.lock(call):
                super().detach(attachment, call)


class SecondOptionSameStep(PairDriver):
    """With a colour it makes another link, marked in a second step; both have the name of a step that there is anyway."""

    network_type = "second-option-same-step"

    def finish(self, kernel: Rtnl, link: Link, attachment: Attachment, call: Call) -> None:
        super().finish(kernel, link, attachment, call)
        name = f"{link.name[:13]}-c"
        if "colour" in attachment.request.options and kernel.link(name) is None:
            with call.step("pair.mark"):
                extra = kernel.create_link(name, "bridge")
            with call.step("pair.mark"):
                kernel.set_link(extra.index, alias=f"colour of {link.name}")

    def detach(self, attachment: Attachment, call: Call) -> None:
        super().detach(attachment, call)
        with host_rtnl() as kernel:
            for link in kernel.links():
                if link.alias == f"colour of {attachment.names['host']}":
                    with call.step("pair.delete"):
                        kernel.delete_link(link.index)


class DetachesByPath(PairDriver):
    """detach takes whatever sandbox now lies at the path for the one of its record."""

    network_type = "detaches-by-path"

    def detach(self, attachment: Attachment, call: Call) -> None:
        super().detach(attachment, call)
        with suppress(SecnetError):
            found = identify(attachment.request.netns.path)
            with pod_rtnl(found) as (_, pod):
                link = pod.link(attachment.request.ifname)
                if link is not None and found != attachment.request.netns:
                    with call.step("pod.delete"):
                        pod.delete_link(link.index)


class DetachNeedsDevice(PairDriver):
    """detach looks the device up first, and fails for ever once it has left the host."""

    network_type = "detach-needs-device"

    def detach(self, attachment: Attachment, call: Call) -> None:
        if attachment.request.device is not None:
            self.slot(attachment.request)
        super().detach(attachment, call)


class LeavesFileAfterFault(PairDriver):
    """Writes a note before it makes the pair, and removes it only if it finds the pair."""

    network_type = "leaves-file-after-fault"

    def note(self, attachment: Attachment) -> Path:
        return self.host.run_dir / f"note-{attachment.names['host']}"

    def create(self, kernel: Rtnl, attachment: Attachment, fd: int, call: Call) -> Link:
        with call.step("note.write"):
            self.note(attachment).touch()
        return super().create(kernel, attachment, fd, call)

    def detach(self, attachment: Attachment, call: Call) -> None:
        with host_rtnl() as kernel:
            if kernel.link(attachment.names["host"]) is not None:
                self.note(attachment).unlink(missing_ok=True)
        super().detach(attachment, call)


class LeaksDescriptorOnError(PairDriver):
    """Opens a file to attach, and closes it only when all goes well."""

    network_type = "leaks-descriptor-on-error"

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        fd = os.open(self.host.run_dir, os.O_RDONLY | os.O_CLOEXEC)
        result = super().attach(attachment, call)
        os.close(fd)
        return result


class RestoresConstant(PairDriver):
    """Gives each device back with one and the same alias, whatever it had."""

    network_type = "restores-constant"

    def restore(self, kernel: Rtnl, attachment: Attachment, call: Call) -> None:
        super().restore(kernel, dataclasses.replace(attachment, prior={"alias": "free"}), call)


class RestoresOthersPrior(PairDriver):
    """Gives a device back as that one was which was planned for last, whosever it was."""

    network_type = "restores-others-prior"
    _last: ClassVar[dict[str, Any]] = {}

    def prior(self, slot: Link) -> dict[str, Any]:
        self._last.update(super().prior(slot))
        return dict(self._last)

    def restore(self, kernel: Rtnl, attachment: Attachment, call: Call) -> None:
        super().restore(kernel, dataclasses.replace(attachment, prior={**attachment.prior, **self._last}), call)


class TeardownHalf(WithBridge):
    """Makes two bridges, and takes the first for the sign that there is something to take down."""

    network_type = "teardown-half"

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        report = super().reconcile_node(desired, call)
        with host_rtnl() as kernel:
            link = kernel.link(_SECOND)
            if link is None:
                with call.step("bridge.create"):
                    link = kernel.create_link(_SECOND, "bridge")
            if not self.is_bridge(link):
                return NodeReport(findings=(Finding(code="Foreign", message=f"{_SECOND} is somebody else's"),))
            if link.alias != self.mark():
                with call.step("bridge.mark"):
                    kernel.set_link(link.index, alias=self.mark())
        return report

    def teardown_node(self, call: Call) -> None:
        with host_rtnl() as kernel:
            first, second = kernel.link("pair-br0"), kernel.link(_SECOND)
            if first is None and (second is None or second.alias == self.mark()):
                return
            super().teardown_node(call)
            if second is not None and (
                second.alias == self.mark() or (not second.alias and second.group == LINK_GROUP)
            ):
                with call.step("bridge.delete"):
                    kernel.delete_link(second.index)
