"""Drivers that are wrong in one way each; the docstring says in which."""

from __future__ import annotations

import dataclasses
import fcntl
import time
from collections.abc import Mapping
from typing import Any

from secnet.contract import (
    EMPTY_FRAGMENT,
    Attachment,
    AttachRequest,
    AttachResult,
    Busy,
    Call,
    CheckReport,
    DriverInfo,
    Inventory,
    NodeReport,
)
from secnet.linux.names import alias_for
from secnet.linux.rtnl import Link, Rtnl, host_rtnl, pod_rtnl

from .pair import PairDriver

__all__ = [
    "ChangesInPlan",
    "DetachNeedsNetns",
    "EatsForeign",
    "ForgetsPrior",
    "HangsAfterKill",
    "IgnoresMac",
    "KeepsPriorInMemory",
    "LeaksAfterFault",
    "LeaksPort",
    "LeavesUp",
    "LiesInCheck",
    "NoSteps",
    "NodeNeverSettles",
    "OnceOnly",
    "OneNameForAll",
    "SeesNothing",
    "Sleeps",
]


class LeaksPort(PairDriver):
    """detach leaves the host end behind, and with it the pair."""

    network_type = "leaks-port"

    def detach(self, attachment: Attachment, call: Call) -> None:
        with host_rtnl() as kernel:
            self.restore(kernel, attachment, call)


class LeaksAfterFault(PairDriver):
    """detach knows its link by the alias alone, which is not there yet when the first step has just been done."""

    network_type = "leaks-after-fault"

    def is_ours(self, link: Link, attachment: Attachment) -> bool:
        return link.alias == alias_for(self.host.owner_tag, attachment.key)


class ForgetsPrior(PairDriver):
    """Never gives the device back as it was."""

    network_type = "forgets-prior"

    def restore(self, kernel: Rtnl, attachment: Attachment, call: Call) -> None:
        return


class KeepsPriorInMemory(PairDriver):
    """Remembers what was before in the instance instead of in the plan: a new process knows nothing."""

    network_type = "keeps-prior-in-memory"

    def prior(self, slot: Link) -> dict[str, Any]:
        vars(self).setdefault("memory", {})[slot.name] = slot.alias
        return {}

    def restore(self, kernel: Rtnl, attachment: Attachment, call: Call) -> None:
        device = attachment.request.device
        alias = vars(self).get("memory", {}).get(device.id if device else "", "")
        super().restore(kernel, dataclasses.replace(attachment, prior={"alias": alias}), call)


class LiesInCheck(PairDriver):
    """check finds all well, always."""

    network_type = "lies-in-check"

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        return CheckReport()


class Sleeps(PairDriver):
    """Waits for its dependency in the kernel, where neither deadline nor cancellation reach it."""

    network_type = "sleeps"

    def wait_for(self, fd: int, call: Call) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX)


class ChangesInPlan(PairDriver):
    """plan begins with the work."""

    network_type = "changes-in-plan"

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        attachment = super().plan(request, call)
        slot = self.slot(request)
        with host_rtnl() as kernel:
            kernel.set_link(slot.index, alias="planned")
        return attachment


class NoSteps(PairDriver):
    """Marks its link outside of any step, where no fault is ever injected."""

    network_type = "no-steps"

    def finish(self, kernel: Rtnl, link: Link, attachment: Attachment, call: Call) -> None:
        super().finish(kernel, link, attachment, Call(deadline=call.deadline, cancel=call.cancel))


class OnceOnly(PairDriver):
    """A second attach fails, because the link is there already."""

    network_type = "once-only"

    def find(self, kernel: Rtnl, attachment: Attachment) -> Link | None:
        if (link := super().find(kernel, attachment)) is not None and link.up:
            raise Busy("the link is there already", hint="remove it")
        return link


class DetachNeedsNetns(PairDriver):
    """detach opens the Pod's namespace first, and fails when it is gone."""

    network_type = "detach-needs-netns"

    def detach(self, attachment: Attachment, call: Call) -> None:
        with pod_rtnl(attachment.request.netns):
            super().detach(attachment, call)


class EatsForeign(PairDriver):
    """Takes any link that has its name for its own."""

    network_type = "eats-foreign"

    def is_ours(self, link: Link, attachment: Attachment) -> bool:
        return True


class LeavesUp(PairDriver):
    """Brings the Pod's link up, before the core has given it addresses."""

    network_type = "leaves-up"

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        result = super().attach(attachment, call)
        with pod_rtnl(attachment.request.netns) as (_, pod):
            link = pod.link(attachment.request.ifname)
            if link is not None and not link.up:
                with call.step("pod.up"):
                    pod.set_link(link.index, up=True)
        return result


class IgnoresMac(PairDriver):
    """Declares that it honours a requested MAC, and does not."""

    network_type = "ignores-mac"

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        return dataclasses.replace(super().plan(dataclasses.replace(request, mac=None), call), request=request)


class OneNameForAll(PairDriver):
    """The host end's name follows from the interface's alone: two Pods meet."""

    network_type = "one-name-for-all"

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        attachment = super().plan(request, call)
        return dataclasses.replace(attachment, names={"host": f"pair-{request.ifname}"})


class SeesNothing(PairDriver):
    """The inventory is empty, whatever stands on the host."""

    network_type = "sees-nothing"

    def inventory(self, call: Call) -> Inventory:
        return Inventory()


class NodeNeverSettles(PairDriver):
    """reconcile_node makes something each time, and teardown_node forgets it."""

    network_type = "node-never-settles"

    @classmethod
    def describe(cls) -> DriverInfo:
        return dataclasses.replace(super().describe(), node=EMPTY_FRAGMENT)

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        with host_rtnl() as kernel:
            number = sum(link.kind == "bridge" for link in kernel.links())
            with call.step("bridge.create"):
                kernel.create_link(f"pair-br{number}", "bridge")
        return NodeReport()


class HangsAfterKill(PairDriver):
    """Leaves a mark while it attaches; whoever finds that mark waits for its owner for ever."""

    network_type = "hangs-after-kill"

    def create(self, kernel: Rtnl, attachment: Attachment, fd: int, call: Call) -> Link:
        mark = self.host.run_dir / f"{attachment.names['host']}.busy"
        while mark.exists():
            time.sleep(0.1)
        mark.touch()
        try:
            return super().create(kernel, attachment, fd, call)
        finally:
            mark.unlink()
