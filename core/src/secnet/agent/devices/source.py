"""Where the devices of a Pod are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["ANY_RESOURCE", "DEVICES_ANNOTATION", "DeviceSource", "Devices"]

DEVICES_ANNOTATION = "secnet.io/devices"

ANY_RESOURCE = ""
"""The name under which stand devices that serve a network of any resource."""

Devices = Mapping[str, tuple[str, ...]]
"""Device ids by the name of their resource, each id once, in an order that is the same each time."""


class DeviceSource(Protocol):
    """Knows which devices a Pod was given."""

    def devices_of(self, pod: Mapping[str, Any], timeout: float | None = None) -> Devices:
        """The devices of a Pod as they are now, by resource; empty while there are none. Nothing of it is remembered.

        timeout: seconds that the answer may take; None for as long as the source itself allows.

        Raises Retryable while it cannot be found out, Permanent where only another input helps.
        """
        ...

    def remedy(self, resource: str, count: int) -> str:
        """What gives a Pod this many devices of a resource, in words."""
        ...

    def may_come(self, pod: Mapping[str, Any], resource: str) -> bool:
        """Whether a Pod without devices of a resource may be given some without a change of its object."""
        ...
