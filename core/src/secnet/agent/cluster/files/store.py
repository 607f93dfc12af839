"""The store of live objects behind the manifest directory: what the Kubernetes API server is to a cluster.

Rules taken from the Kubernetes API conventions ("Metadata", "Concurrency Control and Consistency"): resourceVersion is one
counter over all objects and changes with every change; uid names one life of an object; generation counts what was asked for
and never what was observed; a write of nothing new changes nothing. Two rules of our own:

- The generation of a Pod also counts its annotations, for networks are asked for there; status annotations do not count.
- An IPPool that is deleted while addresses are in use stays, with a deletionTimestamp, until the last one is released. Applied
  again meanwhile, it is wanted again and loses the deletionTimestamp.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from secnet.contract import InvalidConfig, ObjectNotFound, SecnetError, StoreConflict

from ...base.clock import rfc3339
from ...model.problem import Problem
from ..interface import Handler, Object, Watch
from ..kinds import KINDS, Kinds, ObjectKey, kind_info, normalized, object_key
from ._watch import StoreWatch
from .state_files import Stamp, StateFiles, Stored, Transaction

__all__ = ["STATUS_ANNOTATIONS", "FileStore", "Verb"]

Verb = Literal["created", "configured", "unchanged"]

STATUS_ANNOTATIONS = frozenset({"k8s.v1.cni.cncf.io/network-status", "k8s.v1.cni.cncf.io/networks-status"})
"""Written by those who make networks, never by those who ask for them."""


class FileStore:
    """Live objects in a state directory. Any number of threads and processes may use one directory at once.

    kinds: those of its objects; a file of another kind is left alone.

    Every method may raise MissingPrivilege or Unavailable naming the file when the directory cannot be used.
    """

    def __init__(self, state_dir: Path, *, clock: Callable[[], float] = time.time, kinds: Kinds = KINDS) -> None:
        self.directory = state_dir
        self.kinds = kinds
        self._files = StateFiles(state_dir)
        self._clock = clock
        self._lock = threading.Lock()
        self._watches: list[StoreWatch] = []
        self._checking = threading.Lock()  # not `_lock`, which writers take while no reader may read
        self._checked: dict[Path, tuple[Stamp, Problem | None]] = {}

    def get(self, kind: str, name: str, namespace: str = "") -> Object:
        """See `Cluster.get`; an empty namespace of a namespaced kind is `default`."""
        key = object_key(kind, name, namespace, self.kinds)
        stored = self._files.read(key)
        if stored is None:
            raise _not_found(key)
        return stored.object

    def list(self, kind: str, namespace: str = "") -> list[Object]:
        """See `Cluster.list`. Objects whose file is damaged are left out and stand in `problems()`."""
        within = namespace if kind_info(kind, self.kinds).namespaced else ""
        with self._files.shared():
            found = [item.object for item in self._files.read_all(kind, within) if isinstance(item, Stored)]
        return sorted(found, key=lambda obj: (obj["metadata"].get("namespace", ""), obj["metadata"]["name"]))

    def sources(self) -> dict[ObjectKey, str]:
        """Where each live object came from."""
        with self._files.shared():
            stored = [item for kind in self.kinds for item in self._files.read_all(kind) if isinstance(item, Stored)]
        return {_key_of(item.object): item.source for item in stored}

    def apply(self, obj: Mapping[str, Any], source: str = "") -> tuple[Verb, Object]:
        """Create an object, or bring labels, annotations and all but `metadata` and `status` up to date.

        Status, uid and what others wrote stay: a label or annotation is removed only if the last apply set it. Of
        `metadata` only name, namespace, labels and annotations are read, and of those no status annotations. `source` is
        remembered. Raises InvalidConfig with the JSON path for what is no valid object.
        """
        desired = normalized(obj, self.kinds)
        key = _key_of(desired)
        asked = {field: _asked(desired, field) for field in ("labels", "annotations")}
        applied = {field: sorted(values) for field, values in asked.items()}
        body = {field: value for field, value in desired.items() if field not in ("metadata", "status")}
        with self._files.exclusive() as transaction:
            old = transaction.read(key)
            if old is None:
                new = Stored(object=self._created(key, body, asked), source=source, applied=applied)
                return "created", self._write(transaction, key, new)
            new = Stored(object=_configured(old, body, asked), source=source or old.source, applied=applied)
            if new == old:
                return "unchanged", old.object
            if new.object == old.object:
                transaction.remember(key, new)
                return "unchanged", old.object
            return "configured", self._write(transaction, key, new)

    def delete(self, kind: str, name: str, namespace: str = "", *, source: str | None = None) -> Object | None:
        """Take an object away; returns it if it has to stay until its last address is released, else None.

        With `source`, only if it still comes from there. Raises ObjectNotFound.
        """
        key = object_key(kind, name, namespace, self.kinds)
        with self._files.exclusive() as transaction:
            stored = transaction.read(key)
            if stored is None:
                raise _not_found(key)
            if source is not None and stored.source != source:
                return stored.object
            if not _in_use(stored.object):
                transaction.remove(key)
                self._wake()
                return None
            meta = stored.object["metadata"]
            if "deletionTimestamp" in meta:
                return stored.object
            marked = stored.object | {"metadata": meta | {"deletionTimestamp": rfc3339(self._clock())}}
            new = Stored(object=marked, source=stored.source, applied=stored.applied)
            return self._write(transaction, key, new)

    def update_status(self, obj: Object) -> Object:
        """See `Cluster.update_status`. The last release of a deleted IPPool takes it away."""
        key = object_key(obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", ""), self.kinds)
        version = obj["metadata"].get("resourceVersion")
        if not version:
            raise InvalidConfig(
                "a status without resourceVersion would overwrite what others wrote",
                hint="read the object, change its status, and update that",
                subject=str(key),
                path="$.metadata.resourceVersion",
            )
        with self._files.exclusive() as transaction:
            stored = _unchanged_since(transaction, key, version, obj["metadata"].get("uid"))
            status = json.loads(json.dumps(obj.get("status")))  # a deep copy, ten times as fast as copy.deepcopy
            if status == stored.object.get("status"):
                return stored.object
            changed = {field: value for field, value in stored.object.items() if field != "status"}
            if status is not None:
                changed["status"] = status
            if "deletionTimestamp" in changed["metadata"] and not _in_use(changed):
                transaction.remove(key)
                self._wake()
                return changed
            return self._write(transaction, key, Stored(object=changed, source=stored.source, applied=stored.applied))

    def patch_annotations(
        self,
        kind: str,
        name: str,
        namespace: str,
        annotations: Mapping[str, str | None],
        resource_version: str | None = None,
        uid: str | None = None,
    ) -> Object:
        """Set annotations (None removes one) and leave all others alone; returns the stored object.

        Raises StoreConflict when `resource_version` or `uid` is given and is not the object's, ObjectNotFound when it is gone.
        """
        key = object_key(kind, name, namespace, self.kinds)
        with self._files.exclusive() as transaction:
            stored = _unchanged_since(transaction, key, resource_version, uid)
            values = _merged(stored.object["metadata"].get("annotations"), annotations)
            changed = _with_metadata(stored.object, {"annotations": values})
            if changed == stored.object:
                return stored.object
            _count_generation(stored.object, changed)
            return self._write(transaction, key, Stored(object=changed, source=stored.source, applied=stored.applied))

    def watch(self, kinds: Iterable[str], handler: Handler) -> Watch:
        """See `Cluster.watch`. Changes by this object are seen at once, those by others within a tenth of a second."""
        watch = StoreWatch(self._files, tuple(dict.fromkeys(kinds)), handler, self._forget)
        with self._files.shared():
            pass  # a store that cannot be read at all is said to the caller, who would wait for `synced` for ever
        with self._lock:
            self._watches.append(watch)
        watch.start()
        return watch

    def problems(self) -> tuple[Problem, ...]:
        """Files of the store that are damaged. Cheap enough to ask often: only what changed since is read again."""
        with self._checking, self._files.shared():
            stamps = self._files.stamps(self.kinds)
            checked = self._checked
            self._checked = {
                path: checked[path]
                if path in checked and checked[path][0] == stamp
                else (stamp, self._damage(path, stamp))
                for path, stamp in stamps.items()
            }
            return tuple(problem for _, problem in self._checked.values() if problem is not None)

    def close(self) -> None:
        """Close every watch."""
        with self._lock:
            watches = tuple(self._watches)
        for watch in watches:
            watch.close()

    def _damage(self, path: Path, stamp: Stamp) -> Problem | None:
        try:
            self._files.check(path)
        except SecnetError as exc:
            return Problem(source=exc.subject, message=exc.message, hint=exc.hint, since=rfc3339(stamp[-1] / 1e9))
        return None

    def _write(self, transaction: Transaction, key: ObjectKey, stored: Stored) -> Object:
        written = transaction.write(key, stored).object
        self._wake()
        return written

    def _wake(self) -> None:
        with self._lock:
            for watch in self._watches:
                watch.wake()

    def _forget(self, watch: StoreWatch) -> None:
        with self._lock, suppress(ValueError):
            self._watches.remove(watch)

    def _created(self, key: ObjectKey, body: Object, asked: Mapping[str, Mapping[str, str]]) -> Object:
        meta: Object = {"name": key.name}
        if key.namespace:
            meta["namespace"] = key.namespace
        meta |= {"uid": str(uuid.uuid4()), "generation": 1, "creationTimestamp": rfc3339(self._clock())}
        return _with_metadata({"apiVersion": body["apiVersion"], "kind": key.kind, "metadata": meta} | body, asked)


def _configured(old: Stored, body: Object, asked: Mapping[str, Mapping[str, str]]) -> Object:
    """The old object with what is asked for now."""
    meta: Object = {field: value for field, value in old.object["metadata"].items() if field != "deletionTimestamp"}
    kept = {field: old.object[field] for field in ("status",) if field in old.object}
    fields = {}
    for field, values in asked.items():
        withdrawn: dict[str, str | None] = {name: None for name in old.applied.get(field, ()) if name not in values}
        fields[field] = _merged(meta.get(field), withdrawn | dict(values))
    changed = _with_metadata(
        {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": meta} | body | kept, fields
    )
    _count_generation(old.object, changed)
    return changed


def _asked(obj: Object, field: str) -> dict[str, str]:
    values = obj["metadata"].get(field) or {}
    return {name: value for name, value in values.items() if name not in STATUS_ANNOTATIONS}


def _merged(current: Mapping[str, str] | None, changes: Mapping[str, str | None]) -> dict[str, str]:
    merged = dict(current or {}) | dict(changes)
    return {name: value for name, value in merged.items() if value is not None}


def _with_metadata(obj: Object, fields: Mapping[str, Mapping[str, str]]) -> Object:
    """A copy with these labels and annotations; empty ones are left out."""
    meta = {field: value for field, value in obj["metadata"].items() if field not in fields}
    return obj | {"metadata": meta | {field: dict(values) for field, values in fields.items() if values}}


def _count_generation(old: Object, new: Object) -> None:
    if _desired_state(old) != _desired_state(new):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def _desired_state(obj: Object) -> Object:
    """What the generation counts."""
    desired = {field: value for field, value in obj.items() if field not in ("metadata", "status")}
    if obj["kind"] == "Pod":
        desired["metadata"] = _asked(obj, "annotations")
    return desired


def _in_use(obj: Object) -> bool:
    return obj["kind"] == "IPPool" and bool((obj.get("status") or {}).get("ipAddresses"))


def _unchanged_since(transaction: Transaction, key: ObjectKey, version: str | None, uid: str | None) -> Stored:
    stored = transaction.read(key)
    if stored is None:
        raise _not_found(key)
    if uid is not None and uid != stored.object["metadata"]["uid"]:
        raise StoreConflict(
            "it was deleted and created again since it was read", hint="read it again", subject=str(key)
        )
    if version is not None and version != stored.version:
        raise StoreConflict(
            f"it changed since it was read (resourceVersion {version}, now {stored.version})",
            hint="read it again and repeat the change",
            subject=str(key),
        )
    return stored


def _key_of(obj: Object) -> ObjectKey:
    return ObjectKey(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def _not_found(key: ObjectKey) -> ObjectNotFound:
    return ObjectNotFound("there is no such object", hint="create it, or correct the name", subject=str(key))
