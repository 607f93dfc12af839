"""What both ways to be called share: waiting for the agent, and the answer to a call."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from secnet.contract import Cancelled, Finding, NotReady, SecnetError

from ._errors import BAD_CONFIG, CHECK_FAILED, InvalidCniCall, error_result
from ._protocol import CniCall
from .interface import Attacher

__all__ = ["Answer", "answer_findings", "answer_removals", "require_prev_result", "wait_until_ready"]

_READY_POLL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the plugin prints and exits with. undo: takes back what was made, when the answer cannot be delivered."""

    result: Mapping[str, Any] | None = None
    failed: bool = False
    undo: Callable[[], None] | None = None

    @property
    def status(self) -> int:
        """The exit status."""
        return 1 if self.failed else 0

    @property
    def stdout(self) -> str:
        """What is printed: nothing where CNI wants nothing."""
        return "" if self.result is None else json.dumps(self.result) + "\n"


def wait_until_ready(attacher: Attacher, cancel: threading.Event, seconds: float) -> None:
    """Wait until recovery is complete. Raises NotReady after `seconds`, Cancelled when the runtime gave up."""
    deadline = time.monotonic() + seconds
    while not attacher.ready:
        if cancel.wait(_READY_POLL):
            raise Cancelled("the runtime gave up while the agent was starting")
        if time.monotonic() >= deadline:
            raise NotReady(
                "the agent is still recovering what it found after its start",
                hint="the call is made again by itself; if it goes on, see the agent's log",
            )


def require_prev_result(call: CniCall) -> None:
    """CHECK compares with what ADD answered. Raises InvalidCniCall."""
    if call.prev_result is None:
        raise InvalidCniCall(BAD_CONFIG, "CHECK needs prevResult", "give what ADD answered")


def answer_findings(call: CniCall, findings: Sequence[Finding]) -> Answer:
    """The answer of CHECK."""
    if not findings:
        return Answer()
    text = "; ".join(f"{item.code}: {item.message}" for item in findings)
    return Answer(
        failed=True,
        result={
            "cniVersion": call.cni_version,
            "code": CHECK_FAILED,
            "msg": text,
            "details": "create the sandbox again",
        },
    )


def answer_removals(call: CniCall, removals: Iterable[Callable[[], None]]) -> Answer:
    """Do all of them, whatever becomes of the others, and report what failed (GC)."""
    errors: list[SecnetError] = []
    for remove in removals:
        try:
            remove()
        except SecnetError as exc:
            errors.append(exc)
    return Answer(failed=True, result=error_result(call.cni_version, *errors)) if errors else Answer()
