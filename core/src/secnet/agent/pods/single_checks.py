"""Checks of what callers of our CNI plugin made, network by network: CNI has them ask, and hardly any caller does.

The host's side is repaired in place. Drift of the Pod's side is reported and left alone: the caller knows its interfaces by
what ADD answered, and may have had other plugins work on them. Addresses that a pool has lost are listed again, as for every
attachment.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress

from secnet.contract import AttachmentId, Call, ErrorInfo, PodRef, SecnetError, Timeout

from ..model.pod import PodKey
from ..model.record import Record
from ..model.report import SingleReport
from ..plugins.calls import PluginStuck
from ..state.journal import Journal
from ..state.reports import Reports
from .asked_networks import AskedNetworks
from .worker import AttachmentWorker

__all__ = ["SingleChecks", "queue_key"]

_DELETE_THE_POD = (
    "its caller, such as Multus, does not repair it: delete the Pod, and the next one is attached as it should be"
)

Hold = Callable[[PodKey, Call], AbstractContextManager[None]]


def queue_key(container_id: str, pod: PodRef | None) -> PodKey:
    """By what a sandbox is held in the queue: its Pod, or the sandbox alone where the caller names no Pod."""
    return (pod.namespace, pod.name) if pod is not None else ("", container_id)


class SingleChecks:
    """Remembers what was found last, until an attachment ends. One thread has it check. hold: the queue's."""

    def __init__(
        self, *, worker: AttachmentWorker, journal: Journal, reports: Reports, hold: Hold, asked: AskedNetworks
    ) -> None:
        self._worker = worker
        self._asked = asked
        self._journal = journal
        self._reports = reports
        self._hold = hold
        self._found: dict[AttachmentId, SingleReport] = {}
        self._lock = threading.Lock()  # of what was found
        journal.notify_removed(self._ended)

    def check(self, records: Iterable[Record], beat: Callable[[], None] = lambda: None) -> None:
        """Check these, which are all that there are, and report what drifts. beat: called before each."""
        keys = set()
        for record in records:
            beat()
            keys.add(record.key)
            self._check(record)
        with self._lock:
            gone = set(self._found) - keys
        for key in gone:
            self._forget(key)
        with self._lock:
            self._reports.write_single(self._found.values())

    def _ended(self, record: Record) -> None:
        """The next interface of that name is not shown with what was found on this one."""
        self._asked.forget(record.key)
        with self._lock, suppress(OSError):
            if self._found.pop(record.key, None) is not None:
                self._reports.write_single(self._found.values())

    def _note(self, key: AttachmentId, found: SingleReport | None) -> None:
        with self._lock:
            if found is not None:
                self._found[key] = found
            else:
                self._found.pop(key, None)

    def _check(self, record: Record) -> None:
        call = self._worker.call(record)
        try:
            with self._hold(queue_key(record.key.container_id, record.pod), call):
                current = self._journal.get(record.key)
                if current is None or not current.living or current.origin != record.origin:
                    self._forget(record.key)
                    return
                found = self._drift(current)
        except (Timeout, PluginStuck) as exc:
            call.log.debug("not checked this time: %s", exc)
            return
        in_use = self._worker.in_use(record.key)
        report = SingleReport(key=record.key, error=found, in_use=in_use)
        self._note(record.key, report if found is not None or in_use else None)

    def _drift(self, record: Record) -> ErrorInfo | None:
        try:
            self._worker.check(self._asked.as_called(record), repair=True)
        except SecnetError as exc:
            return exc.info
        found = self._worker.drift_of(record.key) or self._asked.note(record)
        drifted = found is not None and found.reason == "Degraded" and found != self._worker.cut_off_by(record.key)
        if found is not None and drifted:
            return dataclasses.replace(found, hint=_DELETE_THE_POD)
        return found

    def _forget(self, key: AttachmentId) -> None:
        self._note(key, None)
        self._worker.forget(key)
