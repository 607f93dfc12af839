"""Changing IPPools with optimistic concurrency: change what was read last, write, and on a conflict read fresh once more.

Every change begins with what is known anyway, a list of the pools or our own last write. A write of it fails if another writer
was there since. Everything but a write, such as "the pool is full", counts only for a pool that was read fresh.
"""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from secnet.contract import (
    Call,
    IpamOwner,
    ObjectNotFound,
    ObjectStore,
    SecnetError,
    StoreConflict,
    Timeout,
    Unavailable,
)

from .call import pause
from .entries import owned_by, raw_entries, with_entries
from .pool import KIND, pool_name
from .subjects import pool_subject

__all__ = ["Change", "PoolStore", "owner_facts"]

Change = Callable[[dict[str, Any]], dict[str, Any] | None]
"""From a fresh object to the one to be written, or None when it already is as it should be. May be called many times."""

Facts = Callable[[], dict[str, Any]]

_NO_TIMEOUT = -1.0


def owner_facts(owner: IpamOwner) -> dict[str, Any]:
    """How a step names the owner."""
    return {"container_id": owner.container_id, "ifname": owner.ifname}


class PoolStore:
    """The IPPools of an object store. Thread-safe.

    The store alone decides who wins. The lock per pool only keeps the workers of one process from meeting each other in
    conflicts that they could see coming.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._rng = random.Random()
        self._guard = threading.Lock()
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._written: dict[str, dict[str, Any]] = {}  # of each pool what we wrote last; under its turn

    def get(self, name: str) -> dict[str, Any]:
        """One pool, fresh. Raises ObjectNotFound."""
        return self._objects.get(KIND, name)

    def all(self) -> dict[str, dict[str, Any]]:
        """All pools by name."""
        return {pool_name(obj): obj for obj in self._objects.list(KIND)}

    def change(
        self, name: str, change: Change, step: str, call: Call, facts: Facts, *, seen: dict[str, Any] | None = None
    ) -> None:
        """Make `change` true of the pool. Repeats on conflicts until the call's deadline.

        facts: what the step is to say besides the pool, asked for after `change`. seen: the pool as the caller read it a moment
        ago, which saves a request where nothing else changed it since. Raises whatever `change` raises, ObjectNotFound when
        there is no such pool, Timeout, Cancelled or Unavailable.
        """
        attempt = 0
        while True:
            with self._turn(name, call):
                known = None if seen is None else _newer(seen, self._written.get(name))
                wanted = self._wanted(name, change, known)
                if wanted is None:
                    return
                try:
                    with call.step(step, pool=name, **facts()):
                        self._write(name, wanted, change)
                    return
                except StoreConflict:
                    call.log.debug("%s changed while it was being written, reading it again", pool_subject(name))
            if seen is None:
                pause(call, attempt, self._rng)
                attempt += 1
            seen = None

    def drop(self, name: str, owner: IpamOwner, call: Call, *, seen: dict[str, Any] | None = None) -> None:
        """Remove every entry of `owner` from a pool, readable or not. A pool that is gone holds nothing. seen: see `change`."""

        def without_owner(obj: dict[str, Any]) -> dict[str, Any] | None:
            entries = raw_entries(obj)
            kept = [entry for entry in entries if not owned_by(entry, owner)]
            return None if len(kept) == len(entries) else with_entries(obj, kept)

        try:
            self.change(name, without_owner, "ippool.release", call, lambda: owner_facts(owner), seen=seen)
        except ObjectNotFound:
            call.log.debug("%s is gone, and so is what it held", pool_subject(name))

    def pause(self, call: Call, attempt: int) -> None:
        """Back-off with jitter."""
        pause(call, attempt, self._rng)

    def _wanted(self, name: str, change: Change, known: dict[str, Any] | None) -> dict[str, Any] | None:
        """What to write. A change of a pool that may be out of date counts only if it is a write, which the store will check."""
        if known is not None:
            try:
                wanted = change(known)
            except SecnetError:
                wanted = None
            if wanted is not None:
                return wanted
        return change(self.get(name))

    def _write(self, name: str, wanted: dict[str, Any], change: Change) -> None:
        self._written.pop(name, None)
        try:
            self._written[name] = self._objects.update_status(wanted)
        except ObjectNotFound:
            raise StoreConflict("it was deleted since it was read", subject=pool_subject(name)) from None
        except (Timeout, Unavailable):
            # The answer is lost, which says nothing about the write: only reading again does.
            if change(self.get(name)) is not None:
                raise

    @contextmanager
    def _turn(self, name: str, call: Call) -> Iterator[None]:
        with self._guard:
            turn = self._turns[name]
        limit = call.remaining()
        if not turn.acquire(timeout=_NO_TIMEOUT if limit == float("inf") else limit):
            raise Timeout(
                "other workers held it until the deadline",
                hint="it is tried again; a longer attach timeout helps where many Pods start at once",
                subject=pool_subject(name),
            )
        try:
            yield
        finally:
            turn.release()


def _newer(seen: dict[str, Any], written: dict[str, Any] | None) -> dict[str, Any]:
    """Which of two states of a pool is the later one: workers that read a list at the same time write one after the other."""
    if written is None or written["metadata"].get("uid") != seen["metadata"].get("uid"):
        return seen
    return written if _version(written) > _version(seen) else seen


def _version(obj: dict[str, Any]) -> int:
    text = str(obj["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdigit() else 0
