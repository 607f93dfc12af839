"""Repair of a living attachment from its record: the interface it was, in the same network, with the same addresses.

The NAD as it is now never counts. In place first: the driver makes what is missing, and what is there and right stays. Only what
cannot be repaired so is detached and attached again, with the recorded plan and lease; what the Pod itself has in the way of
layer 3 is no reason for that. Nothing is undone on failure: the record stays REPAIRING, and the next repair goes on from there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from secnet.contract import (
    WRONG_MAC,
    WRONG_MTU,
    Busy,
    Call,
    Cancelled,
    Conflict,
    ContractViolation,
    Finding,
    Gone,
    MissingPrivilege,
    NotReady,
    SecnetError,
    Timeout,
    Unavailable,
    Unsupported,
)

from ..model.record import Origin, Phase, Record
from ..plugins.calls import PluginStuck
from ._steps import Steps, require_settled

__all__ = ["repair", "repairable"]

_IN_PLACE_SECONDS = 0.3
_DETACH_HELPS_NOTHING = (
    Busy,
    Cancelled,
    ContractViolation,
    Gone,
    MissingPrivilege,
    NotReady,
    PluginStuck,
    Timeout,
    Unavailable,
)


def repair(steps: Steps, record: Record, call: Call) -> Record:
    """Repair what the record names, and return it ATTACHED. The caller holds its locks.

    Findings that nothing repairs may stay. Raises NotReady, Unavailable or Timeout, with the interface as it was, while what
    it stands on is missing; VerifyFailed when a new attach did not help; Unsupported for a lost interface of a CNI caller.
    """
    report = steps.check(record, call)
    in_use, codes = report.in_use, {f.code for f in repairable(record, report.findings) if f.in_pod}
    stands = bool(in_use) or (not record.remake and steps.has_interface(record))
    if record.origin is Origin.CNI and not stands:
        raise Unsupported(
            f"the interface {record.key.ifname} is gone from the Pod, and the caller of the CNI plugin, such as Multus, "
            "has it made again only in a new sandbox",
            hint="delete the Pod: the next one is attached as it should be",
            subject=f"interface {record.key.ifname}",
        )
    record = steps.write(record.replace(phase=Phase.REPAIRING, remake=not stands), "journal.repair", call)
    # What has the Pod's side beside us would be cut off, or lose what it changed there.
    shared = bool(in_use) or record.origin is Origin.CNI
    repaired = _in_place(steps, record, call, shared=shared, stands=stands, codes=codes)
    if repaired is None:
        call.log.info("the interface is detached and attached again, with the same addresses")
        # As it is recorded by now: layer 3 may have replaced more routes.
        record = steps.write(steps.recorded(record).replace(remake=True), "journal.repair", call)
        steps.take_away(record, call)
        repaired = steps.make(record, call, new=True)
        require_settled(repairable(record, steps.settle(repaired, call, steps.verify_seconds)), record)
    return steps.write(repaired.replace(phase=Phase.ATTACHED, remake=False), "journal.attached", call)


def repairable(record: Record, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those of the findings that a repair of this attachment acts upon: of a CNI caller's, the host's side alone."""
    ours = record.origin is not Origin.CNI
    return tuple(
        finding for finding in findings if finding.repairable and not finding.advisory and (ours or not finding.in_pod)
    )


def _in_place(
    steps: Steps, record: Record, call: Call, *, shared: bool, stands: bool, codes: Collection[str]
) -> Record | None:
    """None if it needs a detach. shared: the Pod's side is not ours alone, and it is never detached.

    stands: the Pod has the interface, and it was whole there. codes: of what can be repaired on the Pod's side.
    """
    repaired, left_alone = record, stands and (shared or record.common.disable_check)
    if stands and not left_alone and WRONG_MTU in codes:
        steps.layer3.set_back(record, {WRONG_MTU}, call)  # what the kernel refuses here it refuses a new link too
    try:
        if left_alone:
            steps.attach(record, call)
        else:
            repaired = steps.make(record, call, codes={WRONG_MAC}.intersection(codes) if stands else ())
        left = repairable(record, steps.settle(repaired, call, _IN_PLACE_SECONDS))
        if not left:
            return repaired
        if shared:
            require_settled(left, record)
    except _DETACH_HELPS_NOTHING:
        raise
    except SecnetError as exc:
        # What the Pod itself has in the way of layer 3, such as a route, is still there after a detach.
        of_pod = isinstance(exc, (Conflict, Unsupported))
        if shared or (of_pod and not repairable(record, steps.check_driver(record, call).findings)):
            raise
        call.log.info("the interface cannot be repaired in place: %s", exc)
    return None
