"""What the registries of a real API server check on a write, as far as a client may notice."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from .answers import ApiError, Object, bad_version, conflict, invalid
from .pods import check_spec_unchanged, decoded_pod, new_status
from .resources import Resource

__all__ = ["check_change", "check_deletion", "checked", "completed", "kept_on_status", "same_life"]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")
_WORD = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_LABEL_VALUE = re.compile(rf"({_WORD})?\Z")
_QUALIFIED = re.compile(rf"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?{_WORD}\Z")
_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_ANNOTATIONS_SIZE = 256 << 10
_EVENT: Object = {
    "eventTime": None,
    "firstTimestamp": None,
    "lastTimestamp": None,
    "source": {},
    "reportingComponent": "",
    "reportingInstance": "",
}
_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def checked(resource: Resource, obj: Any) -> Object:
    """The object as its decoder would give it: 400 for what it cannot decode, 422 for bad metadata or a bad Event."""
    if not isinstance(obj, dict) or not isinstance(obj.setdefault("metadata", {}), dict):
        raise ApiError(400, "BadRequest", "the object provided is unrecognized")
    kind, version = (obj.get(field, None if resource.custom else own) for field, own in _own_type(resource))
    if (kind, version) != (resource.kind, resource.api_version):
        raise ApiError(400, "BadRequest", f"the object is no {resource.kind} of {resource.api_version}")
    _check_meta(resource, obj["metadata"])
    if resource.kind == "Event":
        obj |= {key: value for key, value in _EVENT.items() if key not in obj}
        _check_event(obj)
    return decoded_pod(obj) if resource.kind == "Pod" else obj


def _own_type(resource: Resource) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("kind", resource.kind), ("apiVersion", resource.api_version)


def _check_meta(resource: Resource, meta: Object) -> None:
    name = str(meta.get("name") or "")
    for field in ("labels", "annotations"):
        values = meta.get(field) or {}
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            raise ApiError(400, "BadRequest", f"json: cannot unmarshal metadata.{field} into map[string]string")
        if not values:
            meta.pop(field, None)  # an empty map is not written
        if not all(_QUALIFIED.match(key) for key in values):
            raise invalid(resource.kind, name, f"metadata.{field}", "the name part of a key must be a word")
    if not all(_LABEL_VALUE.match(value) for value in (meta.get("labels") or {}).values()):
        raise invalid(resource.kind, name, "metadata.labels", "a valid label must be an empty string or a word")
    size = sum(len(key.encode()) + len(value.encode()) for key, value in (meta.get("annotations") or {}).items())
    if size > _ANNOTATIONS_SIZE:
        raise invalid(resource.kind, name, "metadata.annotations", f"may not be more than {_ANNOTATIONS_SIZE} bytes")
    if not resource.custom:
        for finalizer in meta.get("finalizers") or ():
            if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
                raise invalid(resource.kind, name, "metadata.finalizers", "a finalizer is fully qualified")
    if name and (not _NAME.match(name) or len(name) > 253):
        raise invalid(resource.kind, name, "metadata.name", "a lowercase RFC 1123 subdomain is required")


def _check_event(obj: Object) -> None:
    name, meta = obj["metadata"].get("name", ""), obj["metadata"]
    involved = (obj.get("involvedObject") or {}).get("namespace", "default")
    if meta.get("namespace", involved) != involved:
        raise invalid("Event", name, "involvedObject.namespace", "does not match event.namespace")
    # Only an Event with the fields of events.k8s.io is held to its limits.
    if obj["eventTime"] is not None and len(str(obj.get("message", "")).encode()) > 1024:
        raise invalid("Event", name, "message", "can have at most 1024 characters")


def completed(obj: Object) -> Object:
    """With the defaults that a client sees at once."""
    if obj["kind"] == "Pod":
        obj["status"] = new_status()
    return obj


def same_life(resource: Resource, old: Object, new: Object, *, patch: bool) -> None:
    """The preconditions of an update: uid and resourceVersion, where they are given."""
    name, meta = old["metadata"]["name"], new["metadata"]
    version = meta.get("resourceVersion")
    if version and not version.isdecimal():
        raise bad_version(version)
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
    """What an update of the status may change: the status, and of built-in kinds the metadata that users write."""
    made = copy.deepcopy(old)
    made.pop("status", None)
    if "status" in new:
        made["status"] = new["status"]
    if resource.custom:
        return made
    if resource.kind == "Pod":
        made["status"].setdefault("qosClass", old["status"]["qosClass"])
    for field in ("labels", "annotations", "finalizers"):
        made["metadata"].pop(field, None)
        if field in new["metadata"]:
            made["metadata"][field] = new["metadata"][field]
    return made


def check_change(resource: Resource, old: Object, new: Object) -> None:
    """Raises 422 for what no update may change."""
    added = set(new["metadata"].get("finalizers") or ()) - set(old["metadata"].get("finalizers") or ())
    if "deletionTimestamp" in old["metadata"] and added:
        why = "Forbidden: no new finalizers can be added if the object is being deleted"
        raise invalid(resource.kind, old["metadata"]["name"], "metadata.finalizers", why)
    if resource.kind == "Pod":
        check_spec_unchanged(old, new)


def check_deletion(plural: str, old: Object, options: Mapping[str, Any]) -> None:
    """The preconditions of a deletion."""
    for field, value in (options.get("preconditions") or {}).items():
        if old["metadata"].get(field) != value:
            raise conflict(plural, old["metadata"]["name"], f"Precondition failed: {field}")
