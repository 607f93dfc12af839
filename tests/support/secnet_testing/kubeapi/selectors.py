"""Label and field selectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .answers import ApiError
from .resources import Resource

__all__ = ["Matches", "selector"]

Matches = Callable[[Mapping[str, Any]], bool]

# The fields that may be selected, besides metadata.name and metadata.namespace, which always may.
_FIELDS = {
    "pods": {
        "spec.hostNetwork",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.nominatedNodeName",
        "status.phase",
        "status.podIP",
    },
    "resourceslices": {"spec.driver", "spec.nodeName"},
    "events": {"involvedObject.kind", "involvedObject.name", "involvedObject.uid", "reason", "type"},
}

_UNSET = {"spec.hostNetwork": False}


def selector(resource: Resource, query: Mapping[str, str], namespace: str, name: str = "") -> Matches:
    """Whether an object is among those asked for."""
    fields = [_term(text) for text in query.get("fieldSelector", "").split(",") if text]
    labels = [_term(text) for text in query.get("labelSelector", "").split(",") if text]
    allowed = {"metadata.name", "metadata.namespace"} | _FIELDS.get(resource.plural, set())
    for path, _, _ in fields:
        if path not in allowed:
            raise ApiError(400, "BadRequest", f'field label not supported: "{path}"')

    def matches(obj: Mapping[str, Any]) -> bool:
        meta = obj["metadata"]
        if (namespace and meta.get("namespace") != namespace) or (name and meta["name"] != name):
            return False
        own = meta.get("labels") or {}
        selected = ((_text(_at(obj, path) or _UNSET.get(path)), operator, value) for path, operator, value in fields)
        labelled = ((own.get(key), operator, value) for key, operator, value in labels)
        return all(_holds(*term) for term in (*selected, *labelled))

    return matches


def _term(text: str) -> tuple[str, str, str]:
    for sign, operator in (("!=", "!="), ("==", "="), ("=", "=")):
        if sign in text:
            path, _, value = text.partition(sign)
            return path.strip(), operator, value.strip()
    if text.startswith("!"):
        return text[1:].strip(), "absent", ""
    return text.strip(), "present", ""


def _holds(found: Any, operator: str, value: str) -> bool:
    if operator in ("present", "absent"):
        return (found is not None) == (operator == "present")
    return bool(found == value) == (operator == "=")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value or "")


def _at(obj: Any, path: str) -> Any:
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, Mapping) else None
    return obj
