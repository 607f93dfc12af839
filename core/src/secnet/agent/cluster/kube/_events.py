"""Events on Pods and on the Node: what `kubectl describe` shows. Written in the background, as far as it can be done."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from secnet.contract import Conflict, ObjectNotFound, SecnetError

from ...base.backoff import Backoff
from ...base.clock import rfc3339
from ._api import Api
from ._requests import EVENT, Request

__all__ = ["EventRecorder"]

_log = logging.getLogger(__name__)

_COMPONENT = "secnet-agent"
_SAME_SECONDS = 600.0
_LONGEST = 1024  # bytes of a message, by the validation of the API
_WAITING, _WRITTEN = 256, 1024
_JOIN_SECONDS = 10.0
_REFUSALS = 5


class _Key(NamedTuple):
    uid: str
    reason: str
    message: str


@dataclass(slots=True)
class _Happened:
    """What happened `count` times from `first` to `last`. name: empty before it was written. refusals: answers that said no."""

    pod: Mapping[str, Any]
    warning: bool
    first: float
    last: float
    count: int = 1
    name: str = ""
    refusals: int = 0


class EventRecorder:
    """Repeats of one (Pod, reason, message) within 10 minutes only raise the count of the first Event.

    At most 256 wait to be written; what is too much is logged and lost, as is what the API server refuses. While it cannot be
    reached they wait. One that fails waits behind the others, and is lost when the API server answered to it five times with an
    error of its own: others may go through, as where a webhook fails for one namespace.

    Each costs one POST, each repeat one PATCH, and repeats that wait together one PATCH for all.
    """

    def __init__(self, api: Api, node_name: str, clock: Callable[[], float] = time.time) -> None:
        self._api = api
        self._node = node_name
        self._clock = clock
        self._transport = api.transport()
        self._changed = threading.Condition()
        self._waiting: OrderedDict[_Key, _Happened] = OrderedDict()
        self._written: OrderedDict[_Key, _Happened] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def record(self, pod: Mapping[str, Any], *, warning: bool, reason: str, message: str) -> None:
        """Returns at once and never fails."""
        meta = pod.get("metadata") or {}
        key = _Key(str(meta.get("uid", "")), reason, _short(message))
        now = self._clock()
        with self._changed:
            if self._closed.is_set():
                return
            if (waiting := self._waiting.get(key)) is not None:
                waiting.count += 1
                waiting.last = now
                return
            if len(self._waiting) >= _WAITING:
                _log.warning(
                    "too many Events wait to be written; lost on %s: %s: %s", meta.get("name"), reason, message
                )
                return
            self._waiting[key] = _Happened(_involved(pod), warning, now, now)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pod-events", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Write what can be written at once, and end. May be called twice."""
        with self._changed:
            self._closed.set()
            self._changed.notify()
            thread, idle = self._thread, not self._waiting
        if thread is not None and thread.is_alive():
            thread.join(_JOIN_SECONDS if not idle else 1.0)
        self._transport.close()
        if thread is not None and thread.is_alive():
            thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        backoff = Backoff()
        while (item := self._next()) is not None:
            key, happened = item
            try:
                self._write(key, happened)
                backoff.reset()
            except SecnetError as exc:
                if self._may_come_again(happened, exc):
                    self._put_back(key, happened)
                    self._closed.wait(backoff.delay())
                else:
                    _log.warning("an Event could not be written (%s: %s): %s", key.reason, key.message, exc)
                    if exc.retryable and self._closed.is_set():
                        return  # no answer, and the agent wants to end
            except Exception:
                _log.exception("an Event could not be written: %s: %s", key.reason, key.message)

    def _may_come_again(self, happened: _Happened, error: SecnetError) -> bool:
        if not error.retryable or isinstance(error, ObjectNotFound) or self._closed.is_set():
            return False
        happened.refusals += not self._api.unreached()
        return happened.refusals < _REFUSALS

    def _next(self) -> tuple[_Key, _Happened] | None:
        with self._changed:
            while not self._waiting:
                if self._closed.is_set():
                    return None
                self._changed.wait()
            return self._waiting.popitem(last=False)

    def _put_back(self, key: _Key, happened: _Happened) -> None:
        with self._changed:
            meanwhile = self._waiting.pop(key, None)
            if meanwhile is not None:
                happened.count += meanwhile.count
                happened.last = meanwhile.last
            self._waiting[key] = happened

    def _write(self, key: _Key, happened: _Happened) -> None:
        before = self._written.get(key)
        if before is not None and happened.last - before.last < _SAME_SECONDS:
            count = before.count + happened.count
            try:
                self._patch(before, count, happened.last)
            except ObjectNotFound:  # the API server forgets Events, by default after an hour
                del self._written[key]
                happened.count, happened.first = count, before.first
            else:
                before.count, before.last = count, happened.last
                self._written.move_to_end(key)
                return
        happened.name = self._create(key, happened)
        self._written[key] = happened
        self._written.move_to_end(key)
        if len(self._written) > _WRITTEN:
            self._written.popitem(last=False)

    def _create(self, key: _Key, happened: _Happened) -> str:
        involved = happened.pod
        digest = hashlib.sha256(f"{key}{happened.first}{self._node}".encode()).hexdigest()[:16]
        name = f"{involved['name'][:230]}.{digest}"
        body = {
            "apiVersion": "v1",
            "kind": EVENT,
            "metadata": {"name": name, "namespace": _namespace(involved)},
            "involvedObject": involved,
            "type": "Warning" if happened.warning else "Normal",
            "reason": key.reason,
            "message": key.message,
            "count": happened.count,
            "firstTimestamp": rfc3339(happened.first),
            "lastTimestamp": rfc3339(happened.last),
            "source": {"component": _COMPONENT, "host": self._node},
            "reportingComponent": _COMPONENT,
            "reportingInstance": self._node,
        }
        with suppress(Conflict):  # an answer was lost: it is there already
            self._api.call(
                self._transport, Request(verb="create", kind=EVENT, namespace=_namespace(involved), body=body)
            )
        return name

    def _patch(self, before: _Happened, count: int, last: float) -> None:
        self._api.call(
            self._transport,
            Request(
                verb="patch",
                kind=EVENT,
                namespace=_namespace(before.pod),
                name=before.name,
                body={"count": count, "lastTimestamp": rfc3339(last)},
                content_type="application/merge-patch+json",
            ),
        )


def _namespace(involved: Mapping[str, str]) -> str:
    """Events of what is in no namespace are in the default one."""
    return involved.get("namespace", "default")


def _involved(obj: Mapping[str, Any]) -> dict[str, str]:
    meta, kind = obj.get("metadata") or {}, str(obj.get("kind") or "Pod")
    found = {
        "apiVersion": "v1",
        "kind": kind,
        "name": str(meta.get("name", "")),
        "namespace": str(meta.get("namespace") or "default") if kind == "Pod" else "",
        "uid": str(meta.get("uid", "")),
        "resourceVersion": str(meta.get("resourceVersion", "")),
    }
    return {key: value for key, value in found.items() if value}


def _short(message: str) -> str:
    """At most 1024 bytes, cut between characters; what is no character is a question mark."""
    data = message.encode(errors="replace")
    return data.decode() if len(data) <= _LONGEST else data[: _LONGEST - 3].decode(errors="ignore") + "..."
