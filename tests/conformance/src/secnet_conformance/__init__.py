"""Tests for any secnet network driver or IPAM backend: write a case, get the suite (see the README)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .cases import BackendCase, Bad, Breakage, DriverCase, Foreign, Stall
from .host import Host
from .netns import Namespace

if TYPE_CHECKING:
    from .backend import BackendSuite
    from .driver import DriverSuite

__all__ = [
    "BackendCase",
    "BackendSuite",
    "Bad",
    "Breakage",
    "DriverCase",
    "DriverSuite",
    "Foreign",
    "Host",
    "Namespace",
    "Stall",
]

_SUITES = {"BackendSuite": ".backend", "DriverSuite": ".driver"}


def __getattr__(name: str) -> Any:
    """A suite, loaded when it is first asked for: by then pytest knows that its assertions are to be explained."""
    if name in _SUITES:
        return getattr(importlib.import_module(_SUITES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
