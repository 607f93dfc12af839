"""The objects, and what happened to them since: what etcd and the registry are to a real API server."""

from __future__ import annotations

import copy
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .answers import ApiError, Object, conflict, deleted, invalid, not_found
from .pods import grace_of
from .resources import BUILTIN, CRD, Resource, ResourceName, from_crd
from .rules import check_change, check_deletion, checked, completed, kept_on_status, same_life
from .schemas import conform

__all__ = ["Change", "Store", "Table"]

_LOG_LENGTH = 10_000
_PODS = ResourceName("", "v1", "pods")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """previous: the object before; None for ADDED."""

    revision: int
    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: Object
    previous: Object | None


@dataclass(slots=True)
class Table:
    """The objects of one resource. floor: changes up to this revision are forgotten."""

    resource: Resource
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    log: list[Change] = field(default_factory=list)
    floor: int = 0


class Store:
    """Not thread-safe: the server is one event loop. on_change: called after each change."""

    def __init__(self) -> None:
        self.revision = 100
        self.tables: dict[ResourceName, Table] = {item.name: Table(item) for item in BUILTIN}
        self.on_change: Callable[[], None] = lambda: None
        for name in ("default", "kube-system"):
            meta = {"name": name, "labels": {"kubernetes.io/metadata.name": name}}
            self.create(ResourceName("", "v1", "namespaces"), "", {"metadata": meta})

    def get(self, name: ResourceName, namespace: str, key: str) -> Object:
        """The stored object itself: not to be edited."""
        table = self.tables[name]
        found = table.objects.get((namespace, key))
        if found is None:
            raise not_found(name.plural, name.group, key)
        return found

    def sorted(self, name: ResourceName) -> list[Object]:
        """All, by namespace and name."""
        return [obj for _, obj in sorted(self.tables[name].objects.items())]

    def create(self, name: ResourceName, namespace: str, obj: Object) -> Object:
        """Returns the stored object. Raises 409 AlreadyExists, 404 without its namespace, 422."""
        resource = self.tables[name].resource
        obj = checked(resource, copy.deepcopy(obj))
        meta = obj["metadata"]
        if meta.get("namespace", namespace) != namespace and resource.namespaced:
            raise ApiError(400, "BadRequest", "the namespace of the object does not match the namespace on the request")
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + uuid.uuid4().hex[:5]
        if not meta.get("name"):
            raise invalid(resource.kind, "", "metadata.name", "Required value: name or generateName is required")
        if resource.namespaced:
            meta["namespace"] = namespace
            self.get(ResourceName("", "v1", "namespaces"), "", namespace)
        else:
            meta.pop("namespace", None)
        if (namespace, meta["name"]) in self.tables[name].objects:
            raise ApiError(409, "AlreadyExists", f'{name.plural} "{meta["name"]}" already exists')
        obj |= {"apiVersion": resource.api_version, "kind": resource.kind}
        if resource.status:
            obj.pop("status", None)
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": _now()} | (
            {"generation": 1} if resource.generation else {}
        )
        meta.pop("deletionTimestamp", None)
        obj = completed(conform(resource, obj))
        self._put(name, (namespace, meta["name"]), obj, None)
        if resource is CRD:
            made = from_crd(obj)
            self.tables.setdefault(made.name, Table(made, floor=self.revision - 1))
        return obj

    def update(
        self, name: ResourceName, namespace: str, key: str, new: Object, *, subresource: str, patch: bool
    ) -> Object:
        """Returns the stored object; one that is equal makes no revision. `new` is the whole object, as sent or patched."""
        resource = self.tables[name].resource
        old = self.get(name, namespace, key)
        new = _checked_update(resource, copy.deepcopy(new), patch=patch)
        if new["metadata"].get("name", key) != key:
            raise ApiError(400, "BadRequest", "the name of the object does not match the name on the URL")
        same_life(resource, old, new, patch=patch)
        if subresource == "status":
            new = kept_on_status(resource, old, new)
        elif resource.status:
            new = {item: value for item, value in new.items() if item != "status"}
            new |= {"status": copy.deepcopy(old["status"])} if "status" in old else {}
        for item in ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"):
            new["metadata"].pop(item, None)
            if item in old["metadata"]:
                new["metadata"][item] = old["metadata"][item]
        new["metadata"] |= {"name": key, "resourceVersion": old["metadata"]["resourceVersion"]}
        if resource.namespaced:
            new["metadata"]["namespace"] = namespace
        new |= {"apiVersion": resource.api_version, "kind": resource.kind}
        new = conform(resource, new)
        if new == old:
            return old
        check_change(resource, old, new)
        if resource.generation and _desired(resource, new) != _desired(resource, old):
            new["metadata"]["generation"] = old["metadata"]["generation"] + 1
        if "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers") and not _graceful(new):
            return self._remove(name, (namespace, key), new)
        self._put(name, (namespace, key), new, old)
        return new

    def delete(self, name: ResourceName, namespace: str, key: str, options: Mapping[str, Any]) -> Object:
        """Returns what stays for its finalizers or its grace period, a Pod that was removed, or else a Status."""
        resource = self.tables[name].resource
        old = self.get(name, namespace, key)
        check_deletion(name.plural, old, options)
        pod = resource.kind == "Pod"
        grace = grace_of(old, options) if pod else 0
        if pod or old["metadata"].get("finalizers"):
            old = self._mark(name, (namespace, key), old, grace)
        if grace or old["metadata"].get("finalizers"):
            return old
        gone = self._remove(name, (namespace, key), old)
        return gone if pod else deleted(name.plural, name.group, gone)

    def bind(self, namespace: str, key: str, node: str) -> Object:
        """Schedule a Pod to a node; returns a Status. Raises 409 for one that has a node."""
        old = self.get(_PODS, namespace, key)
        if old["spec"].get("nodeName"):
            raise conflict("pods/binding", key, f'pod {key} is already assigned to node "{old["spec"]["nodeName"]}"')
        bound = copy.deepcopy(old)
        bound["spec"]["nodeName"] = node
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": _now(), "lastProbeTime": None}
        bound["status"].setdefault("conditions", []).append(scheduled)
        self._put(_PODS, (namespace, key), bound, old)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}

    def _mark(self, name: ResourceName, key: tuple[str, str], old: Object, grace: int) -> Object:
        """As being deleted. A grace period only becomes shorter."""
        meta = old["metadata"]
        if "deletionTimestamp" in meta and grace >= meta["deletionGracePeriodSeconds"]:
            return old
        marked = copy.deepcopy(old)
        marked["metadata"] |= {"deletionTimestamp": _now(grace), "deletionGracePeriodSeconds": grace}
        if "deletionTimestamp" not in meta and "generation" in meta:
            marked["metadata"]["generation"] += 1
        self._put(name, key, marked, old)
        return marked

    def clear(self) -> None:
        """Remove all objects but namespaces and definitions, whatever holds them."""
        for name, table in self.tables.items():
            if name.plural not in ("namespaces", CRD.plural):
                for key in list(table.objects):
                    self._remove(name, key, table.objects[key])

    def compact(self) -> None:
        """Forget what happened so far: older resourceVersions are gone."""
        for table in self.tables.values():
            table.floor = self.revision
            table.log.clear()
        self.on_change()

    def _put(self, name: ResourceName, key: tuple[str, str], obj: Object, old: Object | None) -> None:
        self._stamp(obj)
        self.tables[name].objects[key] = obj
        self._log(name, "ADDED" if old is None else "MODIFIED", obj, old)

    def _remove(self, name: ResourceName, key: tuple[str, str], last: Object) -> Object:
        old = self.tables[name].objects.pop(key)
        gone = copy.deepcopy(last)
        self._stamp(gone)
        self._log(name, "DELETED", gone, old)
        if self.tables[name].resource is CRD:
            self._undefine(from_crd(gone).name)
        return gone

    def _undefine(self, name: ResourceName) -> None:
        for key in list(self.tables[name].objects):
            self._remove(name, key, self.tables[name].objects[key])
        del self.tables[name]

    def _stamp(self, obj: Object) -> None:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)

    def _log(
        self, name: ResourceName, kind: Literal["ADDED", "MODIFIED", "DELETED"], obj: Object, old: Object | None
    ) -> None:
        table = self.tables[name]
        table.log.append(Change(revision=self.revision, type=kind, object=json.loads(json.dumps(obj)), previous=old))
        if len(table.log) > _LOG_LENGTH:
            half = _LOG_LENGTH // 2
            table.floor = table.log[half - 1].revision
            del table.log[:half]
        self.on_change()


def _checked_update(resource: Resource, new: Object, *, patch: bool) -> Object:
    """What a patch makes of an object is no bad request when it cannot be decoded, but an invalid patch."""
    try:
        return checked(resource, new)
    except ApiError as exc:
        if patch and exc.code == 400:
            raise invalid("", "", "patch", exc.message) from exc
        raise


def _desired(resource: Resource, obj: Object) -> Object:
    """What a change of the generation stands for."""
    apart = ("metadata", "status") if resource.status else ("metadata",)
    return {key: value for key, value in obj.items() if key not in apart}


def _graceful(obj: Object) -> bool:
    return bool(obj["metadata"].get("deletionGracePeriodSeconds"))


def _now(later: float = 0) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + later))
