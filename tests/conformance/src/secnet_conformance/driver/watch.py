"""Finds what a call changes outside of its steps, where no fault is ever injected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..snapshot import HostSnapshot, diff

__all__ = ["Watch"]


class Watch:
    """Takes a picture at each boundary of the outermost steps and compares those with no step between them.

    look: takes a picture. settled: takes one after a step, whose effect a service may bring about a little later.
    """

    def __init__(self, look: Callable[[], HostSnapshot], settled: Callable[[], HostSnapshot] | None = None) -> None:
        self._look = look
        self._settled = settled or look
        self._last, self._since = look(), "the beginning"
        self._depth = 0
        self._found: list[str] = []

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        self._depth += 1
        if self._depth == 1:
            self._compare(f"the step {name}")

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._last, self._since = self._settled(), f"the step {name}"

    def end(self) -> list[str]:
        """What changed outside of any step, a line each."""
        self._compare("the end")
        return self._found

    def _compare(self, moment: str) -> None:
        lines = diff(self._last, self._look())
        self._found += [f"between {self._since} and {moment}: {line}" for line in lines]
