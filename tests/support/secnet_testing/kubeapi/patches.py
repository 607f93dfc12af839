"""The three kinds of patch: JSON Merge Patch (RFC 7386), JSON Patch (RFC 6902), and strategic merge of the built-in kinds."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch

from .answers import ApiError
from .resources import Resource

__all__ = ["patched"]

# The merge key of the lists that are merged element by element (`patchMergeKey` of the API); all others are replaced.
_MERGE_KEYS = {
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "volumes": "name",
}


def patched(resource: Resource, obj: dict[str, Any], content_type: str, body: Any) -> dict[str, Any]:
    """The object after the patch."""
    if content_type == "application/merge-patch+json":
        result = _merge(obj, _object(body))
    elif content_type == "application/strategic-merge-patch+json" and not resource.custom:
        result = _strategic(obj, _object(body))
    elif content_type == "application/json-patch+json":
        result = _operations(obj, body)
    else:
        message = f"the body of the request was in an unknown format: {content_type}"
        raise ApiError(415, "UnsupportedMediaType", message)
    return _object(result)


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ApiError(400, "BadRequest", "the body must be an object")
    return body


def _operations(obj: dict[str, Any], body: Any) -> Any:
    if not isinstance(body, list):
        raise ApiError(400, "BadRequest", "a JSON patch is a list of operations")
    try:
        return jsonpatch.apply_patch(copy.deepcopy(obj), body)
    except jsonpatch.JsonPatchException as exc:
        raise ApiError(422, "Invalid", f"the server rejected our request: {exc}") from exc


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result


def _strategic(target: Any, patch: Any, field: str = "") -> Any:
    if isinstance(patch, dict):
        result = dict(target) if isinstance(target, dict) else {}
        for key, value in patch.items():
            if value is None:
                result.pop(key, None)
            elif not key.startswith("$"):
                result[key] = _strategic(result.get(key), value, key)
        return result
    if isinstance(patch, list) and field in _MERGE_KEYS:
        return _strategic_list(target or [], patch, _MERGE_KEYS[field])
    return copy.deepcopy(patch)


def _strategic_list(target: list[Any], patch: list[Any], key: str) -> list[Any]:
    result = {item[key]: item for item in target}
    for item in patch:
        if key not in item:
            raise ApiError(400, "BadRequest", f"map: {item} does not contain declared merge key: {key}")
        if item.get("$patch") == "delete":
            result.pop(item[key], None)
        else:
            result[item[key]] = _strategic(result.get(item[key]), item)
    return list(result.values())
