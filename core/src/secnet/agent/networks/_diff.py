"""What to do about a Pod: compare the records of its attachments with what its annotation asks for now."""

from __future__ import annotations

from collections.abc import Iterable

from ..model.record import Phase, Record
from ..model.selection import SelectionId
from ..model.work import Changes, Outcome, Rejected, Work

__all__ = ["diff"]


def diff(records: Iterable[Record], outcomes: Iterable[Outcome], container_id: str) -> Changes:
    """Decide by element: NAD, explicit interface, else ordinal.

    A record of another sandbox, a half-built one and one that no selection asks for any more are removed. A living attachment
    stays when its NAD was edited, deleted or became invalid, and when the new options cannot be granted; it is replaced when
    the annotation's mac, ips or other attachment-specific keys changed.
    """
    outcomes = tuple(outcomes)
    order = tuple(outcome.selection_id for outcome in outcomes)
    living: dict[SelectionId, Record] = {}
    remove: list[Record] = []
    for record in records:
        adopted = record.phase == Phase.ATTACHED and record.key.container_id == container_id
        if adopted and record.selection_id not in living:
            living[record.selection_id] = record
        else:
            remove.append(record)
    keep: list[tuple[Record, Outcome]] = []
    attach: list[Work] = []
    rejected: list[Rejected] = []
    for outcome in outcomes:
        old = living.pop(outcome.selection_id, None)
        if old is not None and not _changed(old, outcome):
            keep.append((old, outcome))
            continue
        if old is not None:
            remove.append(old)
        if isinstance(outcome, Work):
            attach.append(outcome)
        elif isinstance(outcome, Rejected):
            rejected.append(outcome)
    remove.extend(living.values())
    return Changes(keep=tuple(keep), remove=tuple(remove), attach=tuple(attach), rejected=tuple(rejected), order=order)


def _changed(old: Record, outcome: Outcome) -> bool:
    if not isinstance(outcome, Work):
        return False
    return outcome.attachment_options != old.attachment_options or outcome.request.ifname != old.key.ifname
