"""The cluster as a directory of manifests and a store of live objects: the embedded default, with no API server."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from secnet.contract import StoreConflict

from ...base.clock import rfc3339
from ...model.problem import Problem
from .._conditions import condition_of, next_condition, stored_condition
from ..interface import NOTHING, Cluster, Handler, Object, SourceTraits, Watch
from ..kinds import KINDS, Kinds, object_key
from ._directory import ManifestDirectory
from ._manifest import Manifest, load_manifests
from .store import FileStore

__all__ = ["Manifest", "ManifestCluster", "ManifestDirectory", "load_manifests"]

_log = logging.getLogger(__name__)


class ManifestCluster(Cluster):
    """See `Cluster`.

    state_dir: where the live objects are; shared with other processes.
    manifests: the directory whose files say which objects there are, read from the first `watch` on; None if objects are
    only handed over through the store (`secnet apply`).
    """

    # Who may write into the directory is root on this node, and starts the programs when `secnet apply` is done.
    traits = SourceTraits(
        trusts_annotations=True, free_reads=True, containers_wait=True, shared=False, common_ledgers=True
    )

    def __init__(
        self,
        state_dir: Path,
        manifests: Path | None = None,
        *,
        clock: Callable[[], float] = time.time,
        kinds: Kinds = KINDS,
    ) -> None:
        self.watched = tuple(kinds)
        self.store = FileStore(state_dir, clock=clock, kinds=kinds)
        self._directory = None if manifests is None else ManifestDirectory(manifests, self.store, clock=clock)
        self._clock = clock
        self._lock = threading.Lock()
        self._started = False

    def get(self, kind: str, name: str, namespace: str = "") -> Object:
        """See `Cluster.get`."""
        return self.store.get(kind, name, namespace)

    def list(self, kind: str, namespace: str = "") -> list[Object]:
        """See `Cluster.list`."""
        return self.store.list(kind, namespace)

    def update_status(self, obj: Object) -> Object:
        """See `Cluster.update_status`."""
        return self.store.update_status(obj)

    def patch_pod(
        self,
        name: str,
        namespace: str,
        uid: str,
        *,
        annotations: Mapping[str, str | None] = NOTHING,
        condition: Mapping[str, Any] | None = None,
        resource_version: str | None = None,
    ) -> None:
        """See `Cluster.patch_pod`. Annotations and condition are two writes."""
        if annotations:
            self.store.patch_annotations("Pod", name, namespace, annotations, resource_version, uid)
        if condition is not None:
            self._set_condition(name, namespace, uid, condition)

    def watch(self, kinds: Iterable[str], handler: Handler) -> Watch:
        """See `Cluster.watch`. The first watch waits until the directory was taken in."""
        with self._lock:
            if self._directory is not None and not self._started:
                self._started = True
                self._directory.start()
        return self.store.watch(kinds, handler)

    def record_event(self, pod: Object, *, warning: bool, reason: str, message: str) -> None:
        """See `Cluster.record_event`: what failed stands in the log. The store keeps no Events."""
        if warning:  # what was attached is in the log already, with all that identifies a line
            meta = pod.get("metadata") or {}
            name = f"{meta.get('namespace', '')}/{meta.get('name', '')}"
            _log.warning("%s %s: %s: %s", pod.get("kind") or "Pod", name.strip("/"), reason, message)

    def problems(self) -> tuple[Problem, ...]:
        """See `Cluster.problems`: damaged files of the store, and what is wrong with the manifests."""
        own = self._directory.problems() if self._directory is not None else ()
        return (*self.store.problems(), *own)

    def close(self) -> None:
        """See `Cluster.close`."""
        with self._lock:
            if self._directory is not None and self._started:
                self._directory.close()
        self.store.close()

    def _set_condition(self, name: str, namespace: str, uid: str, condition: Mapping[str, Any]) -> None:
        key = object_key("Pod", name, namespace)
        while True:
            pod = self.store.get("Pod", name, key.namespace)
            if pod["metadata"]["uid"] != uid:
                raise StoreConflict("it was deleted and created again", hint="read it again", subject=str(key))
            changed = next_condition(condition_of(pod, condition["type"]), condition, rfc3339(self._clock()))
            if changed is None:
                return
            status = pod.get("status") or {}
            others = [item for item in status.get("conditions") or () if item.get("type") != condition["type"]]
            pod["status"] = status | {"conditions": [*others, stored_condition(changed)]}
            try:
                self.store.update_status(pod)
            except StoreConflict:
                continue  # another writer was faster
            return
