"""What a plugin must fulfil in what it says of itself, checked once when it is loaded.

A fragment that is open, undocumented or invalid would give users wrong or empty messages later, far from its author.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from secnet.contract import (
    BACKEND_CAPABILITIES,
    CLUSTER_SCOPE,
    DRIVER_CAPABILITIES,
    NAMESPACED_SCOPE,
    NODE_SERVICES,
    BackendInfo,
    DriverInfo,
    Needs,
    ObjectKind,
    thaw,
)

from ..text.json_text import json_path
from ..text.schema import InvalidSchema, Validator

__all__ = ["CORE_KEYS", "PHASES", "backend_faults", "driver_faults"]

CORE_KEYS = frozenset(
    {
        "cniVersion",
        "name",
        "type",
        "networkType",
        "mtu",
        "ipam",
        "acceptRA",
        "capabilities",
        "disableCheck",
        "disableGC",
    }
)
"""Keys of a NAD config that the core owns; no driver may have an option of that name."""

PHASES = ("before_link", "after_link")

_PLURAL = re.compile("[a-z][a-z0-9-]*")
_CAPABILITY = re.compile("CAP_[A-Z_]+")
_DOCUMENTATION = ("title", "description", "examples")


def driver_faults(info: DriverInfo) -> Iterator[str]:
    """Everything that is wrong with the description of a driver, in words."""
    yield from _unknown("capabilities", info.capabilities, DRIVER_CAPABILITIES)
    yield from _needs_faults(info.needs)
    yield from _kinds_faults(info.kinds)
    yield from fragment_faults("options", info.options, info.example, CORE_KEYS)
    yield from fragment_faults("node", info.node, None, frozenset())
    for column in info.status_columns:
        if not column.key or not column.title or column.title != column.title.upper():
            yield f"status_columns: {column.key!r} has the title {column.title!r}, which must be capitals"
    for path, key in info.node_aliases.items():
        if key not in thaw(info.node).get("properties", {}):
            yield f"node_aliases: {path} leads to {key}, which is no key of node"
    vlan = thaw(info.options).get("properties", {}).get("vlan")
    if info.vlan and (not isinstance(vlan, dict) or vlan.get("type") != "integer"):
        yield "options: the type knows VLANs, but has no integer option vlan"


def backend_faults(info: BackendInfo) -> Iterator[str]:
    """Everything that is wrong with the description of a backend, in words."""
    yield from _unknown("capabilities", info.capabilities, BACKEND_CAPABILITIES)
    yield from _needs_faults(info.needs)
    yield from _kinds_faults(info.kinds)
    if info.phase not in PHASES:
        yield f"phase: {info.phase!r} is not one of {', '.join(PHASES)}"
    yield from fragment_faults("config", info.config, info.example, frozenset({"type"}))
    yield from fragment_faults("node", info.node, None, frozenset())


def fragment_faults(
    what: str, fragment: Mapping[str, Any], example: Mapping[str, Any] | None, reserved: frozenset[str]
) -> Iterator[str]:
    """Faults of one fragment: invalid, open, undocumented, with a reserved key, or with examples that it refuses itself."""
    schema = thaw(fragment)
    try:
        whole = Validator(schema, what)
    except InvalidSchema as exc:
        yield f"{what}: {exc}"
        return
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        yield f"{what}: must be a schema of type object with properties"
        return
    for key in sorted(reserved & set(schema["properties"])):
        yield f"{what}: the key {key} belongs to the core"
    yield from _document_faults(what, schema, ())
    yield from _example_faults(what, schema, example, whole)


def _document_faults(what: str, schema: Any, at: tuple[str | int, ...]) -> Iterator[str]:
    """Every object is closed and every property documented, at any depth."""
    if isinstance(schema, list):
        for position, item in enumerate(schema):
            yield from _document_faults(what, item, (*at, position))
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties", {})
    is_object = bool(properties) or schema.get("type") == "object"
    if is_object and schema.get("additionalProperties", True) is True:
        yield f"{what}: {json_path(at)} is open: it needs additionalProperties: false"
    for key, item in properties.items():
        missing = [word for word in _DOCUMENTATION if not (isinstance(item, dict) and item.get(word))]
        if missing:
            yield f"{what}: {json_path((*at, 'properties', key))} has no {', '.join(missing)}"
        yield from _document_faults(what, item, (*at, "properties", key))
    for keyword in ("items", "prefixItems", "anyOf", "oneOf", "allOf", "additionalProperties"):
        yield from _document_faults(what, schema.get(keyword), (*at, keyword))
    for name, item in schema.get("$defs", {}).items():
        yield from _document_faults(what, item, (*at, "$defs", name))


def _example_faults(
    what: str, schema: dict[str, Any], example: Mapping[str, Any] | None, whole: Validator
) -> Iterator[str]:
    """Running the examples also finds references that lead nowhere: jsonschema follows them only when it gets there."""
    definitions = {key: schema[key] for key in ("$schema", "$defs") if key in schema}
    try:
        for key, item in schema["properties"].items():
            for value in item.get("examples", ()) if isinstance(item, dict) else ():
                for problem in Validator(definitions | item, what, checked=True).problems(value):
                    yield f"{what}: an example of {key} is refused by its own schema: {problem.message}"
        for problem in whole.problems(example) if example is not None else ():
            yield f"{what}: the example of the description is refused: {problem.path}: {problem.message}"
    except InvalidSchema as exc:
        yield f"{what}: {exc}"


def _needs_faults(needs: Needs) -> Iterator[str]:
    """What `secnet doctor` could not look for."""
    yield from _unknown("needs.services", frozenset(needs.services), NODE_SERVICES)
    for name in needs.privileges:
        if not _CAPABILITY.fullmatch(name):
            yield f"needs.privileges: {name!r} is no capability, such as CAP_NET_ADMIN"
    for path in needs.writable:
        if not path.startswith("/"):
            yield f"needs.writable: {path!r} is no absolute path"


def _kinds_faults(kinds: Iterable[ObjectKind]) -> Iterator[str]:
    """What no CustomResourceDefinition could have."""
    for kind in kinds:
        where = f"kinds: {kind.kind or '(without name)'}"
        if not (kind.kind and kind.version and _PLURAL.fullmatch(kind.plural)):
            yield f"{where}: needs kind, version, and a plural in lower case"
        if kind.scope not in (NAMESPACED_SCOPE, CLUSTER_SCOPE):
            yield f"{where}: the scope {kind.scope!r} is neither {NAMESPACED_SCOPE} nor {CLUSTER_SCOPE}"
        if kind.schema is not None:
            try:
                Validator(kind.schema, where)
            except InvalidSchema as exc:
                yield f"{where}: {exc}"


def _unknown(what: str, given: frozenset[str], known: frozenset[str]) -> Iterator[str]:
    if given - known:
        yield f"{what}: unknown {', '.join(sorted(given - known))}; known are {', '.join(sorted(known))}"
