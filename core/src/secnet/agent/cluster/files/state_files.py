"""The state directory of the manifest store: one JSON file an object, a log of changes, and a lock for all processes.

    lock                       held exclusively for every write, shared for every read of more than one file
    log                        `#base REVISION ID`, then one line a change: `REVISION KIND NAMESPACE NAME`
    objects/KIND/NAMESPACE/    one file an object, replaced by rename ("_" for cluster-scoped kinds)
    pending                    the file being written; a leftover of a killed process is overwritten

A write first appends its line to the log, which uses up the revision, and then renames the object into place. A process
killed between the two leaves a line that stands for no change, which readers tolerate; it can never leave a change without a
line, half an object, or a revision given twice. The kernel frees the lock of a dead process.

Nothing is synced to disk: all survives any death of a process, and an orderly reboot. A power cut may lose the last seconds,
but it also ends every sandbox that these seconds were about.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from secnet.contract import SecnetError, Unavailable

from ...base.os_errors import translated
from ...base.private_files import make_private, open_lock
from ..interface import Object
from ..kinds import ObjectKey
from ._names import file_name, is_old_hash

__all__ = ["LogPosition", "Stamp", "StateFiles", "Stored", "Transaction"]

Stamp = tuple[int, int, int]
"""Inode, size, and time of the last write in nanoseconds: differs between two versions of a file."""

_LOG_LIMIT = 256 * 1024
_LONGEST_LINE = 512
_CLUSTER_SCOPED = "_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object and what the store remembers beside it.

    source: where it came from, such as the path of a manifest.
    applied: the labels and annotations that its source gave it; others belong to other writers.
    """

    object: Object
    source: str = ""
    applied: dict[str, list[str]] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The resourceVersion."""
        return str(self.object["metadata"]["resourceVersion"])


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPosition:
    """How far a reader has read. `log` names one life of the log: of another one, the reader compares everything.

    base: the revision that this log began after; -1 while there is no log.
    """

    log: str
    base: int
    offset: int


class StateFiles:
    """Reads and writes the directory. Threads and processes may share it; making one does no I/O."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = directory / "lock"
        self._log = directory / "log"
        self._objects = directory / "objects"
        self._looked_for_old = False

    @contextmanager
    def exclusive(self) -> Iterator[Transaction]:
        """The right to write, waiting for it."""
        with translated(self.directory):
            make_private(self._objects)
            fd = open_lock(self._lock)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                self._rename_old()
                yield Transaction(self)
            finally:
                os.close(fd)

    @contextmanager
    def shared(self) -> Iterator[None]:
        """No write happens meanwhile. Needs no right to write, and nothing to exist."""
        with translated(self.directory):
            try:
                fd = open_lock(self._lock, create=False)
            except FileNotFoundError:
                yield  # nothing was ever written
                return
            try:
                fcntl.flock(fd, fcntl.LOCK_SH)
                yield
            finally:
                os.close(fd)

    def read(self, key: ObjectKey) -> Stored | None:
        """One object, or None. Raises Unavailable when its file is not an object: an operator must correct it."""
        path = self.path(key)
        with translated(path):
            try:
                return _decode(path.read_bytes(), path)
            except FileNotFoundError:
                return None

    def read_all(self, kind: str, namespace: str = "") -> Iterator[Stored | SecnetError]:
        """Every object of a kind, and in place of each that cannot be read, why. The caller holds the lock."""
        pattern = f"{file_name(namespace)}/*.json" if namespace else "*/*.json"
        for path in sorted((self._objects / kind).glob(pattern)):
            try:
                with translated(path):
                    yield _decode(path.read_bytes(), path)
            except SecnetError as exc:
                yield exc

    def stamps(self, kinds: Iterable[str]) -> dict[Path, Stamp]:
        """Every object's file and its stamp. The caller holds the lock."""
        paths = (path for kind in kinds for path in sorted((self._objects / kind).glob("*/*.json")))
        return {path: stamp for path in paths if (stamp := _stamp(path)) is not None}

    def check(self, path: Path) -> None:
        """Raise what `read` raises for the object in this file."""
        with translated(path):
            _decode(path.read_bytes(), path)

    def path(self, key: ObjectKey) -> Path:
        """The file of an object. Names that are too long for a file, or could leave the directory, stand there as a hash."""
        namespace = file_name(key.namespace) if key.namespace else _CLUSTER_SCOPED
        return self._objects / key.kind / namespace / f"{file_name(key.name)}.json"

    def log_stamp(self) -> Stamp | None:
        """Something that differs after every change, and costs one stat. None while there is no log."""
        return _stamp(self._log)

    def read_log(self, since: LogPosition | None) -> tuple[LogPosition, list[tuple[int, ObjectKey]] | None]:
        """Revisions and keys that were written after a position; None in place of them when only comparing everything
        shows. The caller holds the lock."""
        with translated(self._log):
            try:
                data = self._log.read_bytes()
            except FileNotFoundError:
                return LogPosition(log="", base=-1, offset=0), None
        head = _head(data)
        if head is None:
            return LogPosition(log="", base=0, offset=0), None
        base, log = head
        position = LogPosition(log=log, base=base, offset=len(data))
        if since is None or since.log != log or since.offset > len(data):
            return position, None
        return position, [entry for line in data[since.offset :].splitlines() if (entry := _parse(line)) is not None]

    def last_revision(self) -> int | None:
        """The newest revision given out; None when the log is missing or damaged. The caller holds the lock exclusively."""
        try:
            with open(self._log, "rb") as log:
                head = _head(log.readline())
                size = log.seek(0, os.SEEK_END)
                log.seek(max(0, size - 2 * _LONGEST_LINE))
                whole, _, torn = log.read().rpartition(b"\n")
        except FileNotFoundError:
            return None
        entry = _parse(whole.rpartition(b"\n")[2])
        last = entry[0] if entry else head[0] if head and size < _LONGEST_LINE else None
        if last is not None and torn:  # the writer was killed in the middle of a line: its revision counts as used
            last += 1
            self.start_log(last)
        return last

    def start_log(self, revision: int) -> None:
        """Start the log again. The caller holds the lock exclusively."""
        self.replace(self._log, f"#base {revision} {uuid.uuid4().hex}\n".encode())

    def append(self, revision: int, key: ObjectKey) -> None:
        """Add a line. The caller holds the lock exclusively."""
        line = f"{revision} {key.kind} {key.namespace or _CLUSTER_SCOPED} {key.name}\n".encode()
        with open(self._log, "ab", buffering=0) as log:
            if log.write(line) != len(line):
                raise OSError(errno.ENOSPC, "the log took only a part of a line")
            full = log.tell() > _LOG_LIMIT
        if full:
            self.start_log(revision)

    def replace(self, path: Path, data: bytes) -> None:
        """Put a file in place as a whole. The caller holds the lock exclusively."""
        pending = self.directory / "pending"
        pending.write_bytes(data)
        try:
            os.replace(pending, path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(pending, path)

    def _rename_old(self) -> None:
        """Objects whose files an earlier version named by a hash alone, which is a name that another object may have."""
        if self._looked_for_old:
            return
        for path in [path for path in self._objects.glob("*/*/*.json") if is_old_hash(path.stem)]:
            with suppress(SecnetError):  # a damaged one is said to be so where it is read
                name = _decode(path.read_bytes(), path).object["metadata"]["name"]
                os.replace(path, path.with_name(f"{file_name(name)}.json"))
        self._looked_for_old = True


class Transaction:
    """What may be done while the lock is held exclusively: any number of reads, and writes one after the other."""

    def __init__(self, files: StateFiles) -> None:
        self._files = files

    def read(self, key: ObjectKey) -> Stored | None:
        """See `StateFiles.read`."""
        return self._files.read(key)

    def write(self, key: ObjectKey, stored: Stored) -> Stored:
        """Write a changed object with a new resourceVersion; returns it."""
        revision = self._next()
        meta = stored.object["metadata"] | {"resourceVersion": str(revision)}
        new = Stored(object=stored.object | {"metadata": meta}, source=stored.source, applied=stored.applied)
        data = _encode(new)
        self._files.append(revision, key)
        self._files.replace(self._files.path(key), data)
        return new

    def remember(self, key: ObjectKey, stored: Stored) -> None:
        """Write what is kept beside an object that itself did not change."""
        self._files.replace(self._files.path(key), _encode(stored))

    def remove(self, key: ObjectKey) -> None:
        """Take an object away."""
        self._files.append(self._next(), key)
        self._files.path(key).unlink(missing_ok=True)

    def _next(self) -> int:
        last = self._files.last_revision()
        if last is None:
            last = self._highest()
            self._files.start_log(last)
        return last + 1

    def _highest(self) -> int:
        """The newest revision that any object has: what a lost or damaged log starts again from."""
        highest = 0
        for directory in (self._files.directory / "objects").iterdir():
            for stored in self._files.read_all(directory.name):
                if isinstance(stored, Stored):
                    highest = max(highest, int(stored.version))
        return highest


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return (stat.st_ino, stat.st_size, stat.st_mtime_ns)


def _encode(stored: Stored) -> bytes:
    data = {"source": stored.source, "applied": stored.applied, "object": stored.object}
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _decode(data: bytes, path: Path) -> Stored:
    try:
        content = json.loads(data)
        stored = Stored(object=content["object"], source=str(content["source"]), applied=dict(content["applied"]))
        meta: dict[str, Any] = stored.object["metadata"]
        if not (isinstance(stored.object["kind"], str) and meta["name"] and meta["uid"] and int(stored.version) > 0):
            raise ValueError("name, uid or resourceVersion is missing")
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise Unavailable(
            f"this file of the store is damaged ({type(exc).__name__}: {exc})",
            hint="put back a copy, or remove the file: its object is then created again from its manifest, without its status",
            subject=str(path),
        ) from exc
    return stored


def _head(data: bytes) -> tuple[int, str] | None:
    parts = data.partition(b"\n")[0].split(b" ")
    if len(parts) != 3 or parts[0] != b"#base" or not parts[1].isdigit():
        return None
    return int(parts[1]), parts[2].decode("ascii", "replace")


def _parse(line: bytes) -> tuple[int, ObjectKey] | None:
    parts = line.decode("utf-8", "replace").split(" ")
    if len(parts) != 4 or not parts[0].isdigit():
        return None
    namespace = "" if parts[2] == _CLUSTER_SCOPED else parts[2]
    return int(parts[0]), ObjectKey(parts[1], namespace, parts[3])
