"""The record of every attachment, written before the change it names and removed after the last (docs/architecture.md, R1).

One JSON file per attachment under `runDir/journal`, replaced by rename, so that a kill at any point leaves either the old or
the new record. The directory lies on tmpfs and dies with the kernel objects it names: no fsync. One process writes: the one that
holds `RunDirLock`.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from secnet.contract import (
    AttachmentId,
    ErrorInfo,
    from_json,
    to_json,
)

from ..base.os_errors import translated
from ..base.private_files import make_private
from ..model.record import Origin, Phase, Record
from ._file_names import json_file

__all__ = ["Journal"]


class Journal:
    """All records of this node, in memory and on disk. Thread-safe; the caller holds the `RunDirLock`.

    What writes raises what an OSError there means, such as Unavailable for a full disk.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._records: dict[AttachmentId, Record] = {}
        self._view: _View | None = None  # of the records as they are, after the first request
        self._problems: dict[str, ErrorInfo] = {}
        self._on_removed: list[Callable[[Record], object]] = []
        with translated(directory):
            make_private(directory)
            self._load()

    @classmethod
    def peek(cls, directory: Path) -> tuple[Record, ...]:
        """The readable records of a journal that another process may be writing."""
        return tuple(record for path in sorted(directory.glob("*.json")) if (record := _try_read(path)) is not None)

    def records(self) -> tuple[Record, ...]:
        """All records, ordered by key."""
        return self._seen().records

    def get(self, key: AttachmentId) -> Record | None:
        """The record of one attachment."""
        with self._lock:
            return self._records.get(key)

    def of_pod(self, namespace: str, name: str) -> tuple[Record, ...]:
        """What annotations asked for, of all sandboxes of a Pod name, also of an earlier Pod of the same name."""
        return self._seen().of_pods.get((namespace, name), ())

    def of_pods(self) -> Mapping[tuple[str, str], tuple[Record, ...]]:
        """What annotations asked for, by namespace and name of the Pod: see `of_pod`."""
        return self._seen().of_pods

    def of_sandbox(self, container_id: str) -> tuple[Record, ...]:
        """What annotations asked for, of one sandbox."""
        return tuple(r for r in self.records() if r.key.container_id == container_id and r.origin == Origin.ANNOTATION)

    def of_cni(self) -> tuple[Record, ...]:
        """What callers of our CNI plugin asked for, network by network."""
        return self._seen().of_cni

    def called_networks(self, container_id: str) -> frozenset[str]:
        """The networks that callers of our CNI plugin asked for in one sandbox, by the name in their configuration."""
        return frozenset(r.attachment.request.network.name for r in self.of_cni() if r.key.container_id == container_id)

    def holder(self, locks: tuple[str, ...], besides: AttachmentId) -> Record | None:
        """A record other than `besides` that holds one of these exclusive resources."""
        wanted = set(locks)
        return next((r for r in self.records() if r.key != besides and wanted & set(r.locks)), None)

    def holder_of_address(self, address: str, pool: str | None, besides: AttachmentId) -> Record | None:
        """A record other than `besides` whose interface has this address of this pool."""
        for record in self.records():
            lease = record.attachment.lease
            if pool is None or lease is None or record.key == besides or record.phase == Phase.DETACHING:
                continue
            if any((item.address, item.pool) == (address, pool) for item in lease.addresses):
                return record
        return None

    def problems(self) -> tuple[ErrorInfo, ...]:
        """Record files that could not be read; they are kept, for a record is never dropped on error."""
        return tuple(self._problems.values())

    def write(self, record: Record) -> None:
        """Put a record on disk, then in memory."""
        with translated(self._directory):
            try:
                self._put(record)
            except FileNotFoundError:
                self.restore()
                self._put(record)
        with self._lock:
            self._records[record.key] = record
            self._view = None

    def restore(self) -> None:
        """Put back what memory knows, after the directory was removed under us."""
        with translated(self._directory):
            make_private(self._directory)
            for known in self.records():
                if not self._path(known.key).exists():
                    self._put(known)

    def remove(self, key: AttachmentId) -> None:
        """Forget an attachment of which nothing is left."""
        with translated(self._directory):
            self._path(key).unlink(missing_ok=True)
        with self._lock:
            removed = self._records.pop(key, None)
            self._view = None
        if removed is not None:
            for notify in self._on_removed:
                notify(removed)

    def notify_removed(self, notify: Callable[[Record], object]) -> None:
        """Call this with each record that is removed from now on, in the thread that removes it. It returns at once."""
        self._on_removed.append(notify)

    def disown(self, boot_id: str) -> None:
        """Let no record of another boot than this one be adopted: what it names is gone, or only looks the same now."""
        for record in self.records():
            if record.boot_id != boot_id and record.living:
                self.write(record.replace(phase=Phase.DETACHING))

    def _seen(self) -> _View:
        with self._lock:
            if self._view is None:
                self._view = _look(self._records)
            return self._view

    def _put(self, record: Record) -> None:
        path = self._path(record.key)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(to_json(record)), encoding="utf-8")
        os.replace(temporary, path)

    def _path(self, key: AttachmentId) -> Path:
        return self._directory / json_file(key.container_id, key.ifname)

    def _load(self) -> None:
        for leftover in self._directory.glob("*.tmp"):
            leftover.unlink()
        for path in sorted(self._directory.glob("*.json")):
            record = _try_read(path)
            if record is not None:
                self._records[record.key] = self._renamed(path, record)
                continue
            self._problems[path.name] = ErrorInfo(
                reason="UnreadableRecord",
                message="this record cannot be read, so its attachment is neither adopted nor removed",
                hint="find the interface by `ip -d link` and the port by its external_ids, remove both, then this file",
                subject=str(path),
            )

    def _renamed(self, path: Path, record: Record) -> Record:
        """The record, under the name that it has now: an earlier version did not escape the dots of a container id.

        Where there is one of that name already, the one that was written last counts.
        """
        named = self._path(record.key)
        if path == named:
            return record
        if named.exists():
            known = _try_read(named)
            if known is None:
                return record  # what cannot be read is kept for an operator
            if _written(path) <= _written(named):
                path.unlink()
                return known
        os.replace(path, named)
        return record


@dataclass(frozen=True, slots=True)
class _View:
    """The records in the ways they are asked for, each ordered by key. Everybody asks, and few write."""

    records: tuple[Record, ...]
    of_pods: Mapping[tuple[str, str], tuple[Record, ...]]
    of_cni: tuple[Record, ...]


def _look(by_key: Mapping[AttachmentId, Record]) -> _View:
    records = tuple(by_key[key] for key in sorted(by_key))
    of_pods: dict[tuple[str, str], tuple[Record, ...]] = {}
    for record in records:
        if record.origin == Origin.ANNOTATION and record.pod is not None:
            name = (record.pod.namespace, record.pod.name)
            of_pods[name] = (*of_pods.get(name, ()), record)
    return _View(records, of_pods, tuple(record for record in records if record.origin == Origin.CNI))


def _written(path: Path) -> int:
    return os.stat(path).st_mtime_ns


def _try_read(path: Path) -> Record | None:
    try:
        return from_json(Record, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return None
