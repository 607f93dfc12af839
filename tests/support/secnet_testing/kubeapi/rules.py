"""What the registries of a real API server check on a write, as far as a client may notice."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from .answers import ApiError, Object, conflict, invalid
from .resources import Resource

__all__ = ["check_deletion", "checked", "completed", "kept_on_status", "same_life"]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")
_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def checked(resource: Resource, obj: Any) -> Object:
    """The object as its decoder would give it: 400 for what it cannot decode, 422 for a bad name or Event."""
    if not isinstance(obj, dict) or not isinstance(obj.setdefault("metadata", {}), dict):
        raise ApiError(400, "BadRequest", "the object provided is unrecognized")
    if obj.get("kind", resource.kind) != resource.kind or obj.get("apiVersion", resource.api_version) != (
        resource.api_version
    ):
        raise ApiError(400, "BadRequest", f"the object is no {resource.kind} of {resource.api_version}")
    meta = obj["metadata"]
    for field in ("labels", "annotations"):
        values = meta.get(field) or {}
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            raise ApiError(400, "BadRequest", f"json: cannot unmarshal metadata.{field} into map[string]string")
        if not values:
            meta.pop(field, None)  # an empty map is not written
    if meta.get("name") and (not _NAME.match(meta["name"]) or len(meta["name"]) > 253):
        raise invalid(resource.kind, meta["name"], "metadata.name", "a lowercase RFC 1123 subdomain is required")
    if resource.kind == "Event" and not resource.group:
        _check_event(obj)
    if resource.kind == "Pod":
        _drop_empty_texts(obj)
    return obj


def _drop_empty_texts(pod: Object) -> None:
    """What is `omitempty` in the type of a Pod's condition is not written when it is empty."""
    status = pod.get("status")
    for condition in (status.get("conditions") if isinstance(status, dict) else None) or ():
        for field in ("reason", "message"):
            if isinstance(condition, dict) and condition.get(field) == "":
                del condition[field]


def _check_event(obj: Object) -> None:
    name, meta = obj["metadata"].get("name", ""), obj["metadata"]
    involved = (obj.get("involvedObject") or {}).get("namespace", "default")
    if meta.get("namespace", involved) != involved:
        raise invalid("Event", name, "involvedObject.namespace", "does not match event.namespace")
    if len(str(obj.get("message", "")).encode()) > 1024:
        raise invalid("Event", name, "message", "can have at most 1024 characters")


def completed(obj: Object) -> Object:
    """With the defaults that a client sees at once."""
    if obj["kind"] == "Pod":
        obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
    return obj


def same_life(resource: Resource, old: Object, new: Object, *, patch: bool) -> None:
    """The preconditions of an update: uid and resourceVersion, where they are given."""
    name, meta = old["metadata"]["name"], new["metadata"]
    version = meta.get("resourceVersion")
    if not patch and meta.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
        why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {old['metadata']['uid']}"
        raise conflict(resource.plural, name, why)
    if not version and resource.custom:
        raise invalid(resource.kind, name, "metadata.resourceVersion", "must be specified for an update")
    if version and version != old["metadata"]["resourceVersion"]:
        raise conflict(resource.plural, name, _MODIFIED)
    if meta.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
        raise invalid(resource.kind, name, "metadata.uid", "field is immutable")


def kept_on_status(resource: Resource, old: Object, new: Object) -> Object:
    """What an update of the status may change: the status, and of built-in kinds labels and annotations."""
    made = copy.deepcopy(old)
    made.pop("status", None)
    if "status" in new:
        made["status"] = new["status"]
    if not resource.custom:
        for field in ("labels", "annotations"):
            made["metadata"].pop(field, None)
            if field in new["metadata"]:
                made["metadata"][field] = new["metadata"][field]
    return made


def check_deletion(plural: str, old: Object, options: Mapping[str, Any]) -> None:
    """The preconditions of a deletion."""
    for field, value in (options.get("preconditions") or {}).items():
        if old["metadata"].get(field) != value:
            raise conflict(plural, old["metadata"]["name"], f"Precondition failed: {field}")
