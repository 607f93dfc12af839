"""One kind of objects, followed for as long as the agent runs: list, then watch, then whatever is needed to go on.

- The watch goes on from the last resourceVersion seen, in an event or a bookmark; only 410 makes it list again, and what a
  new list no longer names is delivered as DELETED.
- The server ends each watch after some minutes, and a silent one is ended here: neither is a failure.
- After a failure it waits, longer each time and never as long as its neighbours; see `Backoff`.
- A resource that does not exist has no objects, so the watch of it is synced. It takes none away either: an API server that
  is just starting also says so.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from secnet.contract import NotReady, SecnetError, Unavailable

from ...base.backoff import Backoff
from ..interface import Event, Object
from ..kinds import KINDS, Kinds
from ._api import Api
from ._errors import Expired, translate_status
from ._requests import Request, Verb, resource_info

__all__ = ["ObjectCache", "Pace", "Reflector"]

_log = logging.getLogger(__name__)

_STEADY_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds. watch: for how long the server is asked to serve one watch, up to twice of it. silence: how long it may say
    nothing, not even a bookmark, which an API server sends about once a minute. backoff: the first and the longest delay."""

    watch: float = 300.0
    silence: float = 150.0
    backoff: tuple[float, float] = (0.5, 15.0)


@dataclass(frozen=True, slots=True)
class _Last:
    """The object as text: half the memory, and safe from a handler that edits its copy."""

    uid: str
    version: str
    text: str


class ObjectCache:
    """The objects of one kind as the handler last saw them, so that every answer of the server becomes the right next event.

    `get` may be called from any thread, all else only from that of the watch.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[tuple[str, str], _Last] = {}

    def get(self, name: str, namespace: str) -> Object | None:
        """A copy of an object as it was last seen."""
        with self._lock:
            last = self._last.get((namespace, name))
        return None if last is None else _object(last)

    def relisted(self, objects: Iterable[Object], version: str) -> Iterator[Event]:
        """The events that lead from what was seen to this list, taken at resourceVersion `version`."""
        present = list(objects)
        names = {_name(obj) for obj in present}
        for key in [key for key in self._last if key not in names]:
            yield self._forget(key, version)
        for obj in present:
            yield from self.changed(obj)

    def changed(self, obj: Object) -> Iterator[Event]:
        """The events for an object that exists: none if this version was seen, two if it is another of the same name."""
        key, meta = _name(obj), obj["metadata"]
        last = self._last.get(key)
        if last is not None and last.uid != meta["uid"]:
            yield self._forget(key, meta["resourceVersion"])
            last = None
        if last is not None and last.version == meta["resourceVersion"]:
            return
        with self._lock:
            self._last[key] = _Last(meta["uid"], meta["resourceVersion"], json.dumps(obj, separators=(",", ":")))
        yield Event(type="ADDED" if last is None else "MODIFIED", object=obj)

    def deleted(self, obj: Object) -> Iterator[Event]:
        """The event for an object that was deleted; none for one that is not in the cache."""
        key = _name(obj)
        last = self._last.get(key)
        if last is not None and last.uid == obj["metadata"]["uid"]:
            with self._lock:
                del self._last[key]
            yield Event(type="DELETED", object=obj)

    def _forget(self, key: tuple[str, str], version: str) -> Event:
        with self._lock:
            gone = _object(self._last.pop(key))
        gone["metadata"]["resourceVersion"] = version
        return Event(type="DELETED", object=gone)


class Reflector:
    """A thread for one kind. deliver: called with each event. field_selector: which objects; empty for all.

    lists: how many lists there were so far.
    """

    def __init__(
        self,
        api: Api,
        kind: str,
        *,
        field_selector: str,
        pace: Pace,
        deliver: Callable[[Event], None],
        on_synced: Callable[[str], None],
        kinds: Kinds = KINDS,
    ) -> None:
        self.kind = kind
        self.cache = ObjectCache()
        self.lists = 0
        self._api = api
        self._selector = {"fieldSelector": field_selector} if field_selector else {}
        self._pace = pace
        self._deliver = deliver
        self._on_synced = on_synced
        self._kinds = kinds
        info = resource_info(kind, kinds)
        self._plural = info.plural
        self._type = {"apiVersion": info.api_version, "kind": kind}  # lists and watches leave it out
        self._version = ""
        self._stop = threading.Event()
        self._transport = api.transport()
        self._progress = False
        self._complaint = ""
        self.thread = threading.Thread(target=self._run, name=f"watch-{kind}", daemon=True)

    def stop(self) -> None:
        """Make the thread end soon, wherever it waits; does not wait for it."""
        self._stop.set()
        self._transport.close()

    @property
    def died(self) -> bool:
        """Whether a fault of our own ended the thread."""
        return self.thread.ident is not None and not self.thread.is_alive() and not self._stop.is_set()

    def _run(self) -> None:
        backoff = Backoff(*self._pace.backoff)
        while not self._stop.is_set():
            began, self._progress = time.monotonic(), False
            try:
                self._go_on()
                error: SecnetError | Expired | None = None
            except Expired as exc:
                self._version, error = "", exc
            except SecnetError as exc:
                error = exc
            except Exception as exc:
                if not self._stop.is_set():
                    _log.exception("the watch of %s failed; it starts again", self.kind)
                self._version, error = "", Unavailable(str(exc))
            self._complain(error)
            steady = self._progress or time.monotonic() - began > _STEADY_SECONDS
            if steady:
                backoff.reset()
            if error is not None or not steady:
                self._stop.wait(backoff.delay())

    def _go_on(self) -> None:
        """List if there is nothing to go on from; then one watch, to its end."""
        if not self._version:
            try:
                found, version = self._api.list_pages(self._transport, self._request("list"))
            except NotReady:
                self._on_synced(self.kind)
                raise
            self._deliver_all(self.cache.relisted(found, version))
            self._version = version
            self.lists += 1
            self._complain(None)
        if not self._stop.is_set():
            self._on_synced(self.kind)
            self._watch()

    def _watch(self) -> None:
        seconds = int(self._pace.watch * (1 + random.random())) or 1
        request = self._request(
            "watch",
            watch="true",
            resourceVersion=self._version,
            allowWatchBookmarks="true",
            timeoutSeconds=str(seconds),
        )
        answer = self._api.open(self._transport, request)
        try:
            self._transport.allow_silence(self._pace.silence)
            for line in self._api.lines(answer):
                self._take(line, request)
                if self._stop.is_set():
                    return
        finally:
            answer.response.close()

    def _take(self, line: bytes, request: Request) -> None:
        try:
            change = json.loads(line)
            kind, obj = change["type"], change["object"]
        except (ValueError, KeyError, TypeError) as exc:
            message = "a line of the watch is no event"
            raise Unavailable(message, hint="see what stands before it", subject=self._api.server) from exc
        if kind == "BOOKMARK" or not self._progress:
            self._api.answered()
        if kind == "ERROR":
            raise translate_status(int(obj.get("code") or 500), json.dumps(obj).encode(), request)
        if kind in ("ADDED", "MODIFIED"):
            self._deliver_all(self.cache.changed(self._named(obj)))
        elif kind == "DELETED":
            self._deliver_all(self.cache.deleted(self._named(obj)))
        self._version = obj["metadata"]["resourceVersion"]
        self._progress = True

    def _named(self, obj: Object) -> Object:
        return {**self._type, **obj}

    def _deliver_all(self, events: Iterable[Event]) -> None:
        for event in events:
            if self._stop.is_set():
                return
            self._deliver(event)

    def _request(self, verb: str, **query: str) -> Request:
        verb_of_rbac: Verb = "watch" if verb == "watch" else "list"
        return Request(kinds=self._kinds, verb=verb_of_rbac, kind=self.kind, query={**self._selector, **query})

    def _complain(self, error: SecnetError | Expired | None) -> None:
        text = "" if error is None or isinstance(error, Expired) else str(error)
        if text and text != self._complaint and not self._stop.is_set():
            _log.warning("cannot watch %s, and keep trying: %s", self._plural, text)
        elif self._complaint and error is None:
            _log.info("watching %s again", self._plural)
        self._complaint = text


def _object(last: _Last) -> Object:
    found: Object = json.loads(last.text)
    return found


def _name(obj: Object) -> tuple[str, str]:
    meta = obj["metadata"]
    return (meta.get("namespace", ""), meta["name"])
