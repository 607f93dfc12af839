"""Schema fragments: how a plugin says which configuration it takes.

A NAD config is split by key: the core owns a fixed list, the driver owns the rest, and `ipam.*` without `type` belongs to the
backend. Each owner ships one closed draft 2020-12 object, so that a message names the owner (docs/architecture.md, "Schemas").
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from .errors import ContractViolation

__all__ = ["DIALECT", "EMPTY_FRAGMENT", "VLAN_PROPERTY", "load_fragment"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

EMPTY_FRAGMENT: Mapping[str, Any] = {
    "$schema": DIALECT,
    "title": "No options",
    "description": "Takes no options.",
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}

VLAN_PROPERTY: Mapping[str, Any] = {
    "title": "VLAN id",
    "description": "VLAN of the network, 1 to 4094. 0 or absent takes the VLAN of the IPPools, and untagged if they have none.",
    "type": "integer",
    "minimum": 0,
    "maximum": 4094,
    "default": 0,
    "examples": [100],
}
"""The `vlan` option, for every driver whose `DriverInfo.vlan` is true."""


def load_fragment(package: str, filename: str) -> Mapping[str, Any]:
    """A fragment shipped as package data: `load_fragment("secnet_vlan", "options.json")`.

    Raises ContractViolation, which names package and file, if it cannot be read or is no JSON object.
    """
    hint = "its authors must ship it as package data: one JSON object"
    try:
        data = json.loads(resources.files(package).joinpath(filename).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise ContractViolation(f"{filename} of the package {package} cannot be read: {why}", hint=hint) from exc
    if not isinstance(data, dict):
        raise ContractViolation(f"{filename} of the package {package} is no JSON object", hint=hint)
    return data
