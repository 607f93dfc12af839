"""A plugin as it was loaded, and what keeps one from being used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from secnet.contract import ErrorInfo, NetworkDriver

from ..text.schema import Validator

__all__ = ["BACKENDS_GROUP", "DRIVERS_GROUP", "LoadedPlugin", "PluginProblem"]

DRIVERS_GROUP = "secnet.network_types"
BACKENDS_GROUP = "secnet.ipam"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPlugin(Generic[T]):
    """A usable plugin.

    info: DriverInfo of a driver, BackendInfo of a backend. options checks its part of a NAD config, node its section of the
    node configuration.
    """

    name: str
    cls: type[T]
    info: Any
    distribution: str
    version: str
    options: Validator = field(repr=False, compare=False)
    node: Validator | None = field(default=None, repr=False, compare=False)

    @property
    def label(self) -> str:
        """What names it in an error: `driver vlan (secnet-vlan 0.1.0)`."""
        kind = "driver" if issubclass(self.cls, NetworkDriver) else "IPAM backend"
        return f"{kind} {self.name} ({self.distribution} {self.version})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginProblem:
    """A plugin that cannot be used, and why."""

    group: str
    name: str
    distribution: str
    version: str
    error: ErrorInfo
