"""Which device each network of a Pod gets: once for all of them, and the same one again at each attempt.

What a record of this sandbox holds stays with its network. The rest is given in the order of the annotation, in the order of the
source. Whether another Pod's record still holds a device is not checked here: the order would then depend on when that one is
removed. The pipeline refuses such a device as Busy, until it is free.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from secnet.contract import AttachmentId, Call, Cancelled, DeviceRef, NotReady, Retryable, SecnetError, Timeout

from ..base.backoff import Backoff
from ..model.pod import pod_ref
from ..model.record import Origin, Record
from ..model.work import Changes, Ignored, Rejected, Work
from ..state.journal import Journal
from .source import ANY_RESOURCE, Devices, DeviceSource

__all__ = ["DeviceAllocator"]

_PATIENCE_SECONDS = 10.0
_PAUSES = (0.1, 1.0)
_LEAST_QUESTION = 0.1


class DeviceAllocator:
    """Completes what a Pod's annotation wants by devices. Thread-safe; remembers nothing.

    The source is asked only where a network needs a device and no record says which.
    """

    def __init__(self, source: DeviceSource, journal: Journal, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._journal = journal
        self._clock = clock

    def assign(self, pod: Mapping[str, Any], changes: Changes, container_id: str, wait: Call | None = None) -> Changes:
        """The changes with a device in each request that needs one; a network without one is refused, the others are not.

        wait: the call that may be spent on a source that knows nothing yet, 10 s at most for all questions and the pauses between
        them; None asks once. Raises only Cancelled.
        """
        keep = tuple((record, _held(record, outcome)) for record, outcome in changes.keep)
        wanting = [work for work in changes.attach if work.resource is not None]
        if not wanting:
            return replace(changes, keep=keep)
        records = [r for r in self._journal.records() if r.key.container_id == container_id]
        recorded = dict(_recorded(wanting, records))
        given, error = self._given(pod, [work for work in wanting if work.key not in recorded], wait)
        living = [r for r in records if r.origin == Origin.CNI] + [r for r, _ in keep]
        taken = {*recorded.values(), *(r.attachment.request.device for r in living)}
        count = Counter(
            work.resource for work in (*wanting, *(outcome for _, outcome in keep)) if isinstance(work, Work)
        )
        attach: list[Work] = []
        refused = list(changes.rejected)
        for work in changes.attach:
            if work.resource is None:
                attach.append(work)
                continue
            device = recorded.get(work.key) or _first_free(given, work.resource, taken)
            if device is not None:
                taken.add(device)
                attach.append(_with_device(work, device))
            else:
                refused.append(_refused(work, error or self._too_few(pod, work.resource, count[work.resource], given)))
        return replace(changes, keep=keep, attach=tuple(attach), rejected=tuple(refused))

    def _given(
        self, pod: Mapping[str, Any], wanting: Sequence[Work], wait: Call | None
    ) -> tuple[Devices, SecnetError | None]:
        """What the source says, or why it says nothing; it is not asked where no network needs it."""
        if not wanting:
            return {}, None
        try:
            return self._ask(pod, {work.resource for work in wanting if work.resource is not None}, wait), None
        except Cancelled:
            raise
        except SecnetError as exc:
            return {}, exc

    def _ask(self, pod: Mapping[str, Any], resources: Iterable[str], wait: Call | None) -> Devices:
        """The kubelet may know of a Pod's devices a little later than the runtime knows of the Pod.

        At the end counts what was said last, and not only that it took too long.
        """
        end = None if wait is None else self._clock() + wait.remaining(_PATIENCE_SECONDS)
        backoff = Backoff(*_PAUSES, jitter=0)
        while True:
            given, error = self._ask_once(pod, end)
            late = error is not None or any(not _of(given, r) and self._source.may_come(pod, r) for r in resources)
            if not late or not self._pause(backoff.delay(), end, wait):
                break
        if error is not None:
            raise error
        return given

    def _ask_once(self, pod: Mapping[str, Any], end: float | None) -> tuple[Devices, Retryable | None]:
        try:
            return self._source.devices_of(pod, None if end is None else max(0.0, end - self._clock())), None
        except Retryable as exc:
            return {}, exc

    def _pause(self, seconds: float, end: float | None, wait: Call | None) -> bool:
        """Wait before the next question; False where there is no time for one."""
        if wait is None or end is None or self._clock() + seconds + _LEAST_QUESTION > end:
            return False
        try:
            wait.sleep(seconds)
        except Timeout:
            return False
        return True

    def _too_few(self, pod: Mapping[str, Any], resource: str, wanted: int, given: Devices) -> NotReady:
        had = len(_of(given, resource)) or "none"
        networks = "a network that needs" if wanted == 1 else f"{wanted} networks that need"
        return NotReady(
            f"it has {networks} a device of resource {resource}, and was given {had}",
            hint=self._source.remedy(resource, wanted),
            subject=f"Pod {pod_ref(pod)}",
        )


def _held(record: Record, outcome: Work | Rejected | Ignored) -> Work | Rejected | Ignored:
    """An attachment that is repaired keeps its device."""
    device = record.attachment.request.device
    if device is None or not isinstance(outcome, Work) or outcome.resource is None:
        return outcome
    return _with_device(outcome, device)


def _recorded(wanting: Iterable[Work], records: Iterable[Record]) -> Iterator[tuple[AttachmentId, DeviceRef]]:
    """What networks had that are to be made now: half-built ones, and those whose annotation asks for something else now."""
    had = {r.selection_id: r.attachment.request.device for r in records if r.origin == Origin.ANNOTATION}
    for work in wanting:
        device = had.get(work.selection_id)
        if device is not None and device.resource == work.resource:
            yield work.key, device


def _of(given: Devices, resource: str) -> tuple[str, ...]:
    return (*given.get(resource, ()), *given.get(ANY_RESOURCE, ()))


def _first_free(given: Devices, resource: str, taken: Iterable[DeviceRef | None]) -> DeviceRef | None:
    """By id: a device may be offered as one of several resources."""
    ids = {device.id for device in taken if device is not None}
    free = (each for each in _of(given, resource) if each not in ids)
    return next((DeviceRef(id=each, resource=resource) for each in free), None)


def _with_device(work: Work, device: DeviceRef) -> Work:
    return replace(work, request=replace(work.request, device=device))


def _refused(work: Work, error: SecnetError) -> Rejected:
    return Rejected(
        selection_id=work.selection_id,
        ifname=work.request.ifname,
        error=error,
        network_type=work.request.network_type,
        nad_generation=work.nad_generation,
    )
