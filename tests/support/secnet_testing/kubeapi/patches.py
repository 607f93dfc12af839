"""The three kinds of patch: JSON Merge Patch (RFC 7386), JSON Patch (RFC 6902), and strategic merge of the built-in kinds."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch

from .answers import ApiError
from .resources import Resource
from .strategic import strategic_merge

__all__ = ["patched"]


def patched(resource: Resource, obj: dict[str, Any], content_type: str, body: Any) -> dict[str, Any]:
    """The object after the patch."""
    if content_type == "application/merge-patch+json":
        result = _merge(obj, _object(body))
    elif content_type == "application/strategic-merge-patch+json" and not resource.custom:
        result = strategic_merge(obj, _object(body))
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
