"""Drivers that are wrong as pieces of software, in one way each: what they say, raise, return, open and leave open."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import threading
from typing import Any, ClassVar

from secnet.contract import (
    Attachment,
    AttachRequest,
    AttachResult,
    Call,
    CheckReport,
    DriverInfo,
    ProbeReport,
    freeze,
)
from secnet.linux.netns import open_netns, setns

from .pair import OPTIONS, PairDriver

__all__ = [
    "BadDetails",
    "HoldsSocket",
    "LeaksChild",
    "LooseSchema",
    "MisspelledMethod",
    "OpensInConstructor",
    "ProbeRaises",
    "RaisesAnything",
    "StartsThread",
    "StaysInNetns",
    "WritesUnserialisable",
]


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
