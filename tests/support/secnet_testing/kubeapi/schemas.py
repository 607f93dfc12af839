"""Structural schemas of custom resources: pruning, defaults and validation."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft4Validator
from jsonschema.exceptions import best_match

from .answers import invalid
from .resources import Resource

__all__ = ["conform"]

_KEEP = "x-kubernetes-preserve-unknown-fields"


def conform(resource: Resource, obj: dict[str, Any]) -> dict[str, Any]:
    """A copy without what the schema does not know and with its defaults; raises 422 when it does not validate."""
    if resource.schema is None:
        return obj
    root = dict(resource.schema)
    always = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object", _KEEP: True}}
    root["properties"] = {**(root.get("properties") or {}), **always}
    kept: dict[str, Any] = _shaped(obj, root)
    error = best_match(_validator(_Frozen(resource.schema)).iter_errors(kept))
    if error is not None:
        path = ".".join(str(part) for part in error.absolute_path)
        raise invalid(resource.kind, obj["metadata"].get("name", ""), path, error.message)
    return kept


class _Frozen:
    """A schema as a key of the cache: the same object means the same schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and other.schema is self.schema


@lru_cache(maxsize=32)
def _validator(frozen: _Frozen) -> Draft4Validator:
    return Draft4Validator(_as_json_schema(frozen.schema))


def _as_json_schema(schema: Any) -> Any:
    """OpenAPI's ways to say it, said as draft 4 does."""
    if isinstance(schema, list):
        return [_as_json_schema(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {key: _as_json_schema(value) for key, value in schema.items() if key != "format"}
    if schema.get("x-kubernetes-int-or-string") is True:
        made["type"] = ["integer", "string"]
    if schema.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made


def _shaped(value: Any, schema: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        items = schema.get("items") or {_KEEP: True}
        return [_shaped(item, items) for item in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    shaped = {}
    for key, item in value.items():
        if key in properties:
            shaped[key] = _shaped(item, properties[key])
        elif isinstance(others, Mapping):
            shaped[key] = _shaped(item, others)
        elif others is True or schema.get(_KEEP) is True:
            shaped[key] = copy.deepcopy(item)
    for key, item in properties.items():
        if "default" in item and key not in shaped:
            shaped[key] = copy.deepcopy(item["default"])
    return shaped
