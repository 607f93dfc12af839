"""Repair of a living attachment from its record: the interface it was, in the same network, with the same addresses.

The NAD as it is now never counts. In place first: the driver makes what is missing, and what is there and right stays. Only what
cannot be repaired so is detached and attached again, with the recorded plan and lease. Nothing is undone on failure: the record
stays REPAIRING, and whoever comes next goes on from there.
"""

from __future__ import annotations

from secnet.contract import (
    Busy,
    Call,
    Cancelled,
    ContractViolation,
    Gone,
    MissingPrivilege,
    NotReady,
    SecnetError,
    Timeout,
    Unavailable,
)

from ..model.record import Phase, Record
from ._steps import Steps, require_settled

__all__ = ["repair"]

_IN_PLACE_SECONDS = 0.3
_DETACH_HELPS_NOTHING = (
    Busy,
    Cancelled,
    ContractViolation,
    Gone,
    MissingPrivilege,
    NotReady,
    Timeout,
    Unavailable,
)


def repair(steps: Steps, record: Record, call: Call) -> Record:
    """Repair what the record names, and return it ATTACHED. The caller holds its locks.

    Findings that nothing repairs may stay. Raises NotReady, Unavailable or Timeout, with the interface as it was, while what
    it stands on is missing; VerifyFailed when a new attach did not help.
    """
    record = steps.write(record.replace(phase=Phase.REPAIRING), "journal.repair", call)
    in_use = steps.check(record, call).in_use
    repaired = _in_place(steps, record, call, in_use=in_use)
    if repaired is None:
        call.log.info("the interface is detached and attached again, with the same addresses")
        steps.take_away(record, call)
        repaired = steps.make(record, call)
        require_settled((f for f in steps.settle(repaired, call, steps.verify_seconds) if f.repairable), record)
    return steps.write(repaired.replace(phase=Phase.ATTACHED), "journal.attached", call)


def _in_place(steps: Steps, record: Record, call: Call, *, in_use: str) -> Record | None:
    """None if it needs a detach. in_use: what uses the interface in the Pod; it is never detached then, as that would cut the
    user off.
    """
    repaired = record
    try:
        if in_use or record.common.disable_check:
            steps.attach(record, call)
        else:
            repaired = steps.make(record, call)
        left = [f for f in steps.settle(repaired, call, _IN_PLACE_SECONDS) if f.repairable]
        if not left:
            return repaired
        if in_use:
            require_settled(left, record)
    except _DETACH_HELPS_NOTHING:
        raise
    except SecnetError as exc:
        if in_use:
            raise
        call.log.info("the interface cannot be repaired in place: %s", exc)
    return None
