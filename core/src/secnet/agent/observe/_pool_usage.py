"""How full the pools of this node's networks are, read in the background so that no scrape waits for the cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from secnet.contract import PoolUsage, SecnetError

from ..base.metrics import Sources

__all__ = ["PoolUsageCache"]


class PoolUsageCache:
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
        self._known: dict[str, tuple[PoolUsage, ...]] = {}
        self._read_at: float | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def look(self) -> dict[str, tuple[PoolUsage, ...]]:
        """What is known, by IPAM type."""
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
        found: dict[str, tuple[PoolUsage, ...]] = {}
        try:
            for ipam_type in sorted(self._sources.ipam_types()):
                if self._closed.is_set():
                    return
                found[ipam_type] = self._read(ipam_type)
        finally:
            with self._lock:
                self._known, self._read_at, self._thread = found, self._clock(), None

    def _read(self, ipam_type: str) -> tuple[PoolUsage, ...]:
        try:
            return self._sources.pool_usage(ipam_type, self._closed)
        except SecnetError:
            with self._lock:
                return self._known.get(ipam_type, ())  # the cluster is away: the last value is better than a hole
