"""JSON in and out of the contract's dataclasses, without a dependency.

A record may be read by a newer version than the one that wrote it: a missing field takes its default, an
unknown field is ignored, so a field may be added but never renamed or given another meaning within one contract version.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

__all__ = ["freeze", "from_json", "thaw", "to_json"]

T = TypeVar("T")


def freeze(value: Any) -> Any:
    """A read-only deep copy of JSON-like data: dicts become mapping proxies, lists become tuples."""
    if isinstance(value, Mapping):
        return MappingProxyType({str(key): freeze(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(freeze(item) for item in value)
    return value


def thaw(value: Any) -> Any:
    """The opposite of `freeze`: plain dicts and lists, fit for `json.dumps` and jsonschema."""
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [thaw(item) for item in value]
    return value


def to_json(value: Any) -> Any:
    """Plain JSON data of a contract object (or of a tuple or mapping of them); fields that are None are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: to_json(item) for name, item in pairs if item is not None}
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in value]
    return value


def from_json(cls: type[T], data: Any) -> T:
    """Rebuild a contract object from `to_json` data. Raises ValueError naming the field when the shape is wrong."""
    return typing.cast(T, _build(cls, data, cls.__name__))


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _build(kind: Any, data: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    if kind is Any or kind is object:
        return freeze(data)
    if origin in (types.UnionType, typing.Union):
        return _build_union(kind, data, where)
    if origin is tuple:
        return _build_tuple(kind, data, where)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(data, Mapping):
            raise ValueError(f"{where}: expected an object, found {type(data).__name__}")
        return freeze(data)
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, data, where)
    if isinstance(kind, type) and issubclass(kind, enum.StrEnum):
        return kind(data)
    if kind is bool or kind is int or kind is str:
        if type(data) is not kind:
            raise ValueError(f"{where}: expected {kind.__name__}, found {data!r}")
        return data
    if kind is float:
        if type(data) is not float and type(data) is not int:  # JSON has one kind of number
            raise ValueError(f"{where}: expected a number, found {data!r}")
        return float(data)
    raise TypeError(f"{where}: the codec does not know {kind!r}")


def _build_union(kind: Any, data: Any, where: str) -> Any:
    choices = typing.get_args(kind)
    if data is None:
        if type(None) in choices:
            return None
        raise ValueError(f"{where}: may not be null")
    rest = [choice for choice in choices if choice is not type(None)]
    return _build(rest[0], data, where)


def _build_tuple(kind: Any, data: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(data, list | tuple):
        raise ValueError(f"{where}: expected a list, found {type(data).__name__}")
    item = typing.get_args(kind)[0]
    return tuple(_build(item, value, f"{where}[{index}]") for index, value in enumerate(data))


def _build_dataclass(cls: Any, data: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise ValueError(f"{where}: expected an object, found {type(data).__name__}")
    hints = _hints(cls)
    values = {
        field.name: _build(hints[field.name], data[field.name], f"{where}.{field.name}")
        for field in dataclasses.fields(cls)
        if field.name in data
    }
    try:
        return cls(**values)
    except TypeError as exc:
        raise ValueError(f"{where}: {exc}") from exc
