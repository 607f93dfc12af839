"""Faults on request, and the record of what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Asked", "Fault", "Faults"]


@dataclass(slots=True, kw_only=True)
class Fault:
    """What happens to the next `count` requests of this method and token, and with this text in the path; empty for any.

    kind: `status` answers with it, `hang` answers nothing until the client gives up, `drop` closes the connection.
    """

    kind: Literal["status", "hang", "drop"]
    count: int = 1
    status: int = 500
    method: str = ""
    path: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request. verb: as RBAC names it; status: of the answer, 0 while there is none."""

    method: str
    path: str
    verb: str
    resource: str
    content_type: str
    status: int
    token: str
    body: Any = None


class Faults:
    """The faults still to come."""

    def __init__(self) -> None:
        self._coming: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """One more."""
        self._coming.append(fault)

    def clear(self) -> None:
        """None any more."""
        self._coming.clear()

    def due(self, method: str, path: str, token: str = "") -> Fault | None:
        """The fault of this request, counted."""
        for fault in self._coming:
            meant = fault.method in ("", method) and fault.token in ("", token)
            if meant and fault.path in path:
                fault.count -= 1
                if fault.count <= 0:
                    self._coming.remove(fault)
                return fault
        return None
