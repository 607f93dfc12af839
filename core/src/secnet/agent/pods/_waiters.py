"""Which Pods wait for which objects, and what wakes them ahead of their back-off.

A Pod waits for what its errors name in `waits_for`. Objects of a kind that the cluster watches anyway are passed to `changed`.
Any other object is watched by itself, from the first Pod of this node that waits for it until the last one leaves.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from functools import partial

from secnet.contract import ErrorInfo, ObjectKind, ObjectRef, SecnetError

from ..base.backoff import Backoff
from ..cluster.interface import Cluster, Event, Watch, version_of
from ..model.pod import PodKey
from ._object_changes import ObjectChange, ObjectChanges

__all__ = ["Waiters"]

_log = logging.getLogger(__name__)

_MOST_WATCHES = 64  # each costs a thread and a connection; a Pod that waits for more objects has the back-off
# Changes that follow closely wake once. A Pod that is woken in vain again and again, also by its own attempts, slows down.
_WAKE_DELAYS = Backoff(0.2, 1.5)


class Waiters:
    """An index of Pods by the objects that they wait for. Thread-safe.

    kinds: of the objects that may be watched for a Pod. wake: called with a Pod and a delay in seconds; returns at once.
    saw: called with each resourceVersion of an object that is watched for a Pod, after the Pods were woken.
    """

    def __init__(
        self,
        cluster: Cluster,
        kinds: Iterable[ObjectKind],
        wake: Callable[[PodKey, float], None],
        saw: Callable[[int], None] = lambda version: None,
    ) -> None:
        self._cluster = cluster
        self._kinds = {(kind.group, kind.kind): kind for kind in kinds}
        self._wake = wake
        self._saw = saw
        self._lock = threading.Lock()
        self._refs: dict[PodKey, frozenset[ObjectRef]] = {}
        self._since: dict[PodKey, int] = {}
        self._wakes: dict[PodKey, int] = {}
        self._changed: dict[ObjectRef, int] = {}
        self._watches: dict[ObjectRef, Watch] = {}
        self._closed = False

    def note(self, key: PodKey, errors: Iterable[ErrorInfo], revision: int) -> None:
        """Take the errors of an attempt for a Pod; none ends its wait.

        revision: the highest resourceVersion that was seen before the attempt. An object that changed later may have been read
        before that change, so it wakes the Pod now.
        """
        refs = frozenset(ref for error in errors for ref in error.waits_for)
        with self._lock:
            if refs:
                self._refs[key], self._since[key] = refs, revision
            elif self._refs.pop(key, None) is None:
                return
            else:
                self._since.pop(key, None)
                self._wakes.pop(key, None)
            missed = any(self._changed.get(ref, 0) > revision for ref in refs)
        self._adjust_watches()
        if missed:
            self._wake_all([key])

    def changed(self, ref: ObjectRef, version: int) -> None:
        """Wake the Pods that wait for an object. version: its resourceVersion; 0 if unknown, which wakes always."""
        with self._lock:
            self._changed[ref] = version
            keys = [
                key for key, refs in self._refs.items() if ref in refs and (not version or version > self._since[key])
            ]
        self._wake_all(keys)

    def watched(self) -> frozenset[ObjectRef]:
        """The objects that are watched for a Pod now."""
        with self._lock:
            return frozenset(self._watches)

    def close(self) -> None:
        """Close every watch, and open none any more. May be called twice."""
        with self._lock:
            self._closed = True
        self._adjust_watches()

    def _wake_all(self, keys: Iterable[PodKey]) -> None:
        for key in keys:
            with self._lock:
                self._wakes[key] = self._wakes.get(key, 0) + 1
                delay = _WAKE_DELAYS.after(self._wakes[key])
            self._wake(key, delay)

    def _adjust_watches(self) -> None:
        """Open what is missing and close what no Pod waits for."""
        with self._lock:
            awaited = set() if self._closed else {ref for refs in self._refs.values() for ref in refs}
            left = []
            for ref in set(self._watches) - awaited:
                left.append(self._watches.pop(ref))
                self._changed.pop(ref, None)
            for ref in sorted(filter(self._may_watch, awaited - set(self._watches)), key=str):
                if len(self._watches) >= _MOST_WATCHES:
                    _log.warning(
                        "Pods of this node wait for more than %d objects: %s is not watched", _MOST_WATCHES, ref
                    )
                    break
                watch = self._open(ref)
                if watch is not None:
                    self._watches[ref] = watch
        for watch in left:  # not under the lock: closing waits for a handler, which may wait for the lock
            watch.close()

    def _may_watch(self, ref: ObjectRef) -> bool:
        kind = self._kinds.get((ref.group, ref.kind))
        if kind is None or kind.kind in self._cluster.watched:
            return False
        return kind.namespaced == bool(ref.namespace)

    def _open(self, ref: ObjectRef) -> Watch | None:
        try:
            return self._cluster.watch_object(
                ref.kind, ref.name, ref.namespace, partial(self._on_event, ref, ObjectChanges())
            )
        except SecnetError as exc:  # such as a name that no object can have
            _log.debug("%s cannot be watched: %s", ref, exc)
            return None

    def _on_event(self, ref: ObjectRef, changes: ObjectChanges, event: Event) -> None:
        """What a watch finds at its start counts too: it may have changed between the attempt and the watch."""
        version = version_of(event.object)
        if changes.note(event.object, deleted=event.type == "DELETED") is not ObjectChange.NOTHING:
            self.changed(ref, version)
        self._saw(version)
