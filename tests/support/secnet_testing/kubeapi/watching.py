"""Watches: what happened since a resourceVersion, and what happens, for those objects that are selected."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from .answers import ApiError, Object
from .resources import Resource
from .selectors import Matches
from .store import Change, Store

__all__ = ["Watches"]

_LONGEST = 1800.0
_LAST_BOOKMARK = 2.0


class Watches:
    """All watches now. bookmarks: seconds between two bookmarks to a watch that asked for them."""

    def __init__(self, store: Store, bookmarks: float) -> None:
        self._store = store
        self._bookmarks = bookmarks
        self._wakers: set[asyncio.Event] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._wakers)

    def wake(self) -> None:
        """Something happened."""
        for waker in self._wakers:
            waker.set()

    def cut(self) -> int:
        """End all of them in the middle, without a word; returns how many."""
        for task in self._tasks:
            task.cancel()
        return len(self._tasks)

    async def serve(
        self, request: web.Request, resource: Resource, matches: Matches, query: Mapping[str, str]
    ) -> web.StreamResponse:
        """Answer one watch until its time is over, it is cut, or the client leaves."""
        task, waker = asyncio.current_task(), asyncio.Event()
        assert task is not None
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        answer.enable_chunked_encoding()
        self._tasks.add(task)
        self._wakers.add(waker)
        try:
            await answer.prepare(request)
            await _Watch(self._store, resource, matches, query, answer, waker, self._bookmarks).run()
            await answer.write_eof()
        except ConnectionResetError:
            pass  # the client left
        except asyncio.CancelledError:
            if request.transport is not None:
                request.transport.abort()
            raise
        finally:
            self._tasks.discard(task)
            self._wakers.discard(waker)
        return answer


class _Watch:
    def __init__(
        self,
        store: Store,
        resource: Resource,
        matches: Matches,
        query: Mapping[str, str],
        answer: web.StreamResponse,
        waker: asyncio.Event,
        bookmarks: float,
    ) -> None:
        self._store = store
        self._resource = resource
        self._matches = matches
        self._answer = answer
        self._waker = waker
        self._marks = bookmarks if query.get("allowWatchBookmarks", "").lower() in ("true", "1") else None
        self._initial = query.get("resourceVersion", "") in ("", "0") or (
            query.get("sendInitialEvents", "").lower() == "true"
        )
        self._last = 0 if self._initial else int(query["resourceVersion"])
        self._ends = asyncio.get_running_loop().time() + float(query.get("timeoutSeconds") or _LONGEST)
        self._last_mark = self._ends - _LAST_BOOKMARK

    async def run(self) -> None:
        """To its end."""
        if self._initial:
            self._last = self._store.revision
            for obj in self._store.sorted(self._resource.name):
                if self._matches(obj):
                    await self._send("ADDED", obj)
            await self._bookmark({"k8s.io/initial-events-end": "true"})
        while True:
            self._waker.clear()
            table = self._store.tables.get(self._resource.name)
            if table is None:
                return  # its definition was deleted
            if self._last < table.floor:
                gone = ApiError(410, "Expired", f"too old resource version: {self._last} ({table.floor})")
                await self._send("ERROR", gone.body())
                return
            for change in [change for change in table.log if change.revision > self._last]:
                await self._tell(change)
                self._last = change.revision
            now = asyncio.get_running_loop().time()
            if now >= self._ends:
                return
            if now >= self._last_mark:
                self._last_mark = self._ends
            pause = min(self._last_mark - now, self._marks or self._ends - now)
            try:
                await asyncio.wait_for(self._waker.wait(), pause)
            except TimeoutError:
                if self._waker.is_set():
                    continue  # a change came together with the time-out: it goes before any bookmark
                self._last = max(self._last, self._store.revision)
                await self._bookmark()

    async def _tell(self, change: Change) -> None:
        """An object that comes to match is ADDED for this watch, one that no longer does is DELETED."""
        hit = self._matches(change.object)
        before = change.previous is not None and self._matches(change.previous)
        if change.type == "DELETED":
            if before or hit:
                await self._send("DELETED", change.object)
        elif hit:
            await self._send("MODIFIED" if before else "ADDED", change.object)
        elif before:
            await self._send("DELETED", change.object)

    async def _bookmark(self, annotations: Mapping[str, str] | None = None) -> None:
        if self._marks is None:
            return
        meta: Object = {"resourceVersion": str(self._last), "creationTimestamp": None}
        if annotations:
            meta["annotations"] = dict(annotations)
        obj = {"apiVersion": self._resource.api_version, "kind": self._resource.kind, "metadata": meta}
        await self._send("BOOKMARK", obj)

    async def _send(self, kind: str, obj: Mapping[str, Any]) -> None:
        await self._answer.write(json.dumps({"type": kind, "object": obj}).encode() + b"\n")
