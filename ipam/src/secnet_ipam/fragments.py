"""The schema fragments of the two backends. What both take is written once, in static.json."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from secnet.contract import load_fragment

__all__ = ["antrea_fragment", "static_fragment"]


@cache
def static_fragment() -> Mapping[str, Any]:
    """The keys of `ipam` for type static, less `type`."""
    return load_fragment("secnet_ipam", "schemas/static.json")


@cache
def antrea_fragment() -> Mapping[str, Any]:
    """The keys of `ipam` for type antrea, less `type`: ippools, and everything of type static."""
    own = load_fragment("secnet_ipam", "schemas/antrea.json")
    return {**own, "properties": {**own["properties"], **static_fragment()["properties"]}}
