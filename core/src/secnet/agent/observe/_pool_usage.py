"""How full the IPPools of this node's networks are, read in the background so that no scrape waits for the cluster."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from secnet.contract import ObjectNotFound, SecnetError

from ..base.metrics import Sources

__all__ = ["PoolUsage", "Usage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """total: None where the pool's ranges say nothing that can be counted."""

    used: int
    total: int | None


class PoolUsage:
    """A cache that is renewed in a thread of its own at a scrape when it is older than `fresh` seconds.

    patience: seconds that one look may wait for the renewal; after that it gives what was known before.
    """

    def __init__(
        self,
        sources: Sources,
        *,
        fresh: float = 30.0,
        patience: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = sources
        self._fresh = fresh
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Usage] = {}
        self._read_at: float | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def look(self) -> dict[str, Usage]:
        """What is known, by name of the pool."""
        with self._lock:
            stale = self._read_at is None or self._clock() - self._read_at >= self._fresh
            if stale and self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._renew, name="pool-usage", daemon=True)
                self._thread.start()
            thread = self._thread
        if thread is not None:
            thread.join(self._patience)
        with self._lock:
            return dict(self._known)

    def close(self) -> None:
        """End the renewal, at the latest with the request that is under way."""
        self._closed.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(self._patience)

    def _renew(self) -> None:
        found: dict[str, Usage] = {}
        try:
            for name in sorted(set(self._sources.pools())):
                if self._closed.is_set():
                    return
                usage = self._read(name)
                if usage is not None:
                    found[name] = usage
        finally:
            with self._lock:
                self._known, self._read_at, self._thread = found, self._clock(), None

    def _read(self, name: str) -> Usage | None:
        try:
            return usage_of(self._sources.read_pool(name))
        except ObjectNotFound:
            return None
        except SecnetError:
            with self._lock:
                return self._known.get(name)  # the cluster is away: the last value is better than a hole


def usage_of(pool: Mapping[str, Any]) -> Usage:
    """The usage that an IPPool states, or else what its entries and ranges say."""
    status, spec = pool.get("status") or {}, pool.get("spec") or {}
    stated = status.get("usage") or {}
    used = stated.get("used", len(status.get("ipAddresses") or ()))
    return Usage(used=int(used), total=int(stated["total"]) if "total" in stated else _size(spec.get("ipRanges") or ()))


def _size(ranges: Iterable[Mapping[str, str]]) -> int | None:
    try:
        return sum(_span(item) for item in ranges) or None
    except (KeyError, ValueError):
        return None  # what is wrong with a pool stands in `secnet status`


def _span(item: Mapping[str, str]) -> int:
    if "cidr" in item:
        return ipaddress.ip_network(item["cidr"], strict=False).num_addresses
    return int(ipaddress.ip_address(item["end"])) - int(ipaddress.ip_address(item["start"])) + 1
