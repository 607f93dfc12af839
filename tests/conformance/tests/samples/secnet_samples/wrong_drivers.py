"""Drivers that are wrong in one way each; the docstring says in which."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from typing import Any, ClassVar

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
    ProbeReport,
    freeze,
)
from secnet.linux.names import alias_for
from secnet.linux.netns import open_netns, setns
from secnet.linux.rtnl import Link, Rtnl, host_rtnl, pod_rtnl

from .pair import OPTIONS, PairDriver

__all__ = [
    "BadDetails",
    "ChangesInPlan",
    "DetachNeedsNetns",
    "EatsForeign",
    "ForgetsPrior",
    "HangsAfterKill",
    "HoldsSocket",
    "IgnoresMac",
    "KeepsPriorInMemory",
    "LeaksAfterFault",
    "LeaksChild",
    "LeaksPort",
    "LeavesUp",
    "LiesInCheck",
    "LooseSchema",
    "MisspelledMethod",
    "NoSteps",
    "NodeNeverSettles",
    "OnceOnly",
    "OneNameForAll",
    "OpensInConstructor",
    "ProbeRaises",
    "RaisesAnything",
    "SeesNothing",
    "Sleeps",
    "StartsThread",
    "StaysInNetns",
    "WritesUnserialisable",
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


class RaisesAnything(PairDriver):
    """Refuses with an error that is none of the contract's."""

    network_type = "raises-anything"

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        if (request.mtu or 0) > 9000:
            raise ValueError("too much")
        return super().plan(request, call)


class WritesUnserialisable(PairDriver):
    """Puts into the plan what JSON cannot hold."""

    network_type = "writes-unserialisable"

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        return dataclasses.replace(super().plan(request, call), state={"made": {1, 2}.__iter__})


class HoldsSocket(PairDriver):
    """close leaves a socket open."""

    network_type = "holds-socket"

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        vars(self).setdefault("sockets", []).append(socket.socket())
        return super().plan(request, call)

    def __del__(self) -> None:
        for item in vars(self).get("sockets", []):
            item.close()


class StartsThread(PairDriver):
    """close leaves a thread running."""

    network_type = "starts-thread"
    _end: ClassVar[threading.Event] = threading.Event()

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        threading.Thread(target=self._end.wait, daemon=True).start()
        return super().plan(request, call)


class OpensInConstructor(PairDriver):
    """The constructor does I/O."""

    network_type = "opens-in-constructor"

    def __init__(self, host: Any) -> None:
        super().__init__(host)
        self._fd = os.open(host.run_dir, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


class StaysInNetns(PairDriver):
    """check leaves the calling thread in the Pod's namespace."""

    network_type = "stays-in-netns"

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        report = super().check(attachment, call)
        with open_netns(attachment.request.netns) as fd:
            setns(fd)
        return report


class ProbeRaises(PairDriver):
    """probe raises where something is missing."""

    network_type = "probe-raises"

    def probe(self) -> ProbeReport:
        os.listdir(self.host.run_dir)
        return ProbeReport(ready=True)


class LooseSchema(PairDriver):
    """The options take any key, and the example is refused by the schema."""

    network_type = "loose-schema"

    @classmethod
    def describe(cls) -> DriverInfo:
        loose = {key: value for key, value in OPTIONS.items() if key != "additionalProperties"}
        return dataclasses.replace(super().describe(), options=freeze(loose), example={"colour": 1})


class MisspelledMethod(PairDriver):
    """check takes its arguments in another order than the contract's."""

    network_type = "misspelled-method"

    def check(self, call: Call, attachment: Attachment) -> CheckReport:  # type: ignore[override]
        if isinstance(call, Attachment):
            call, attachment = attachment, call  # type: ignore[assignment]
        return super().check(attachment, call)


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


class BadDetails(PairDriver):
    """The result of attach holds what JSON cannot hold."""

    network_type = "bad-details"

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        return dataclasses.replace(super().attach(attachment, call), details={"made": object()})


class LeaksChild(PairDriver):
    """close leaves a process running, for some seconds."""

    network_type = "leaks-child"
    child: subprocess.Popen[bytes] | None = None

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        if self.child is None:
            self.child = subprocess.Popen(["sleep", "5"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return super().attach(attachment, call)
