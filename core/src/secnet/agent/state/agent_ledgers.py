"""Which agent took addresses for which sandboxes, where agents share a state directory: a ledger for each agent.

    ledgers/NODE/OWNER_TAG    one JSON line a sandbox: its id, its network namespace with the boot, its network types

A pool's entry names a container, and not the node on which it runs. So an agent writes the sandbox into its ledger before it asks
for an address, and syncs it, since the pool's entry must never outlive the line that says whose it is. Every agent reads the
ledgers of all. The time of a ledger's last write says when its agent was last there.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import threading
import urllib.parse
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from secnet.contract import MissingPrivilege, NetnsRef, SecnetError, Unavailable, from_json, to_json

__all__ = ["AgentLedger", "AgentLedgers", "LedgerEntry", "read_ledgers"]

_log = logging.getLogger(__name__)

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One sandbox for which an agent took addresses.

    boot_id: of the node, when it did. network_types: of the interfaces that were to have them; empty where that is not known.
    """

    container_id: str
    boot_id: str
    netns: NetnsRef
    network_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLedger:
    """The ledger of one agent. seen: when it was last written, in seconds of Unix time."""

    node: str
    owner_tag: str
    seen: float
    path: Path
    entries: tuple[LedgerEntry, ...]


class AgentLedgers:
    """This agent's ledger, and those of all others of one state directory. Thread-safe; one process writes one ledger."""

    def __init__(self, state_dir: Path, node: str, owner_tag: str) -> None:
        self._folder = state_dir / "ledgers"
        self._path = self._folder / _file(node) / _file(owner_tag)
        self._lock = threading.Lock()
        self._own: dict[str, LedgerEntry] = {}
        self._others: dict[str, AgentLedger] = {}  # by container id
        self._read: dict[Path, tuple[_Stamp, AgentLedger]] = {}
        self._alone = False
        try:
            with _translated(self._path):
                if self._path.exists():
                    self._own = {entry.container_id: entry for entry in _entries(self._path)}
                self._write(self._own)
            self.refresh()
        except SecnetError as exc:  # `add` raises it again, before any address is taken
            _log.warning("%s", exc)

    def own(self, container_id: str) -> LedgerEntry | None:
        """What this agent wrote of a sandbox."""
        with self._lock:
            return self._own.get(container_id)

    def other(self, container_id: str) -> AgentLedger | None:
        """The ledger of another agent that names a sandbox, as `refresh` last read it."""
        with self._lock:
            return self._others.get(container_id)

    @property
    def alone(self) -> bool:
        """Whether no other agent ever had a ledger here, as `refresh` last saw it; False while it could not."""
        with self._lock:
            return self._alone

    def add(self, entry: LedgerEntry) -> None:
        """To be called before an address is asked for. Raises Unavailable: without the line there must be no address.

        What was written of the same sandbox stays: it may have interfaces of several network types.
        """
        with self._lock, _translated(self._path):
            known = self._own.get(entry.container_id)
            merged = entry if known is None else _merged(known, entry)
            if merged != known:
                self._append(merged)
                self._own[entry.container_id] = merged

    def refresh(self) -> None:
        """Read what other agents wrote since, and write that this one is there. Raises Unavailable when one cannot be read."""
        with self._lock, _translated(self._folder):
            self._alone = False
            read: dict[Path, tuple[_Stamp, AgentLedger]] = {}
            for path in _paths(self._folder):
                if path != self._path and (found := self._other_ledger(path)) is not None:
                    read[path] = found
            self._read, self._alone = read, not read
            self._others = {each.container_id: ledger for _, ledger in read.values() for each in ledger.entries}
            try:
                os.utime(self._path)
            except FileNotFoundError:  # removed under us, as for a node that was thought to be gone
                self._write(self._own)

    def keep_only(self, named: Callable[[], Collection[str]]) -> None:
        """Drop the sandboxes that neither a pool nor a record names any more.

        named: asked while no sandbox can be added. A record is written before its sandbox is added: none is dropped in between.
        """
        with self._lock, _translated(self._path):
            names = named()
            kept = {container: entry for container, entry in self._own.items() if container in names}
            if len(kept) != len(self._own):
                self._write(kept)
                self._own = kept

    def _other_ledger(self, path: Path) -> tuple[_Stamp, AgentLedger] | None:
        try:
            stamp = _stamp(path)
            known = self._read.get(path)
            return known if known is not None and known[0] == stamp else (stamp, _ledger(path))
        except FileNotFoundError:
            return None  # an operator removed it just now

    def _append(self, entry: LedgerEntry) -> None:
        data = _line(entry)
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            self._write(self._own)
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            try:
                if os.write(fd, data) != len(data):
                    raise OSError(f"{self._path} took only a part of a line")
                os.fdatasync(fd)
            except OSError:
                os.ftruncate(fd, size)
                raise
        finally:
            os.close(fd)

    def _write(self, entries: dict[str, LedgerEntry]) -> None:
        """Replace the whole file; the name of the new one until then is none that is read."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        pending = self._folder / f"{self._path.parent.name}.{self._path.name}.pending"
        fd = os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.writelines(map(_line, entries.values()))
            file.flush()
            os.fsync(fd)
        os.replace(pending, self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read_ledgers(state_dir: Path) -> tuple[AgentLedger, ...]:
    """The ledgers of all agents, for a command beside them. Raises Unavailable or MissingPrivilege."""
    folder = state_dir / "ledgers"
    with _translated(folder):
        return tuple(_ledger(path) for path in _paths(folder))


def _merged(known: LedgerEntry, entry: LedgerEntry) -> LedgerEntry:
    """The later entry, with the network types of both if they are of one life of the namespace."""
    if (known.boot_id, known.netns) != (entry.boot_id, entry.netns):
        return entry
    types = sorted({*known.network_types, *entry.network_types})
    return dataclasses.replace(entry, network_types=tuple(types))


def _ledger(path: Path) -> AgentLedger:
    return AgentLedger(
        node=urllib.parse.unquote(path.parent.name),
        owner_tag=urllib.parse.unquote(path.name),
        seen=path.stat().st_mtime,
        path=path,
        entries=tuple(_entries(path)),
    )


def _paths(folder: Path) -> list[Path]:
    """Every ledger; not by `glob`, which leaves out what it may not read."""
    try:
        nodes = [path for path in folder.iterdir() if path.is_dir()]
    except FileNotFoundError:
        return []
    return sorted(path for node in nodes for path in node.iterdir())


def _entries(path: Path) -> Iterator[LedgerEntry]:
    """Its lines. One that a killed process did not finish stands for no address yet."""
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            yield from_json(LedgerEntry, json.loads(line))
        except (ValueError, TypeError, RecursionError) as exc:
            _log.warning("%s: line %d is damaged and left out: %s", path, number, exc)


def _line(entry: LedgerEntry) -> bytes:
    return json.dumps(to_json(entry), separators=(",", ":")).encode() + b"\n"


def _stamp(path: Path) -> _Stamp:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _file(name: str) -> str:
    return urllib.parse.quote(name, safe="")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """As `base.os_errors.translated`, which this package does not import."""
    try:
        yield
    except PermissionError as exc:
        raise _error(MissingPrivilege, exc, path, "run as root, or set stateDir to a writable directory") from exc
    except OSError as exc:
        raise _error(Unavailable, exc, path, "see the system's message, and try again") from exc


def _error(cls: type[SecnetError], exc: OSError, path: Path, hint: str) -> SecnetError:
    return cls(
        f"the ledger of sandboxes cannot be read or written: {exc.strerror or exc}", hint=hint, subject=str(path)
    )
