"""The installed drivers and IPAM backends.

Loading is loud: whatever is broken, duplicate or of another contract version is a problem with its distribution's name, and
the rest works on.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from secnet.contract import (
    ContractViolation,
    HostContext,
    IPAMBackend,
    LeaseOutline,
    NetworkDriver,
    ObjectFinding,
    ObjectKind,
    Permanent,
    Retryable,
    Unsupported,
    freeze,
)

from ._discovery import UNKNOWN_DISTRIBUTION, Unreadable, installed
from ._manager import BACKENDS, DRIVERS, PluginManager
from .guarded import GuardedBackend, GuardedDriver
from .plugin import BACKENDS_GROUP, DRIVERS_GROUP, LoadedPlugin, PluginProblem

__all__ = ["BACKENDS_GROUP", "DRIVERS_GROUP", "EntryPointSource", "Registry"]

EntryPointSource = Callable[[str], Iterable[importlib.metadata.EntryPoint | Unreadable]]
"""Gives the entry points of a group; those that are installed unless a test brings its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Usable plugins by name, and what is wrong with the others."""

    drivers: Mapping[str, LoadedPlugin[NetworkDriver]] = field(default_factory=dict)
    backends: Mapping[str, LoadedPlugin[IPAMBackend]] = field(default_factory=dict)
    problems: tuple[PluginProblem, ...] = ()
    _offline: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def load(cls, source: EntryPointSource | None = None) -> Registry:
        """Load every plugin of both groups. Never raises because of a plugin."""
        look_up = source or installed
        drivers, backends = (PluginManager(kind, look_up(kind.group)) for kind in (DRIVERS, BACKENDS))
        return cls(
            drivers=MappingProxyType(drivers.usable),
            backends=MappingProxyType(backends.usable),
            problems=(*drivers.problems, *backends.problems),
        )

    def problem(self, group: str, name: str) -> PluginProblem | None:
        """Why the plugin of that name is not usable; None when there is none of that name."""
        return next((item for item in self.problems if (item.group, item.name) == (group, name)), None)

    def unusable(self, group: str, name: str, what: str, *, subject: str = "", path: str = "") -> Unsupported | None:
        """The error for a request for such a plugin; None when there is none of that name. what: `network type`."""
        broken = self.problem(group, name)
        if broken is None:
            return None
        by = (
            broken.distribution
            if broken.distribution == UNKNOWN_DISTRIBUTION
            else f"{broken.distribution} {broken.version}"
        )
        message = broken.error.message if by in broken.error.message else f"{by}: {broken.error.message}"
        return Unsupported(
            f"{what} {name} is installed but not usable: {message}", hint=broken.error.hint, subject=subject, path=path
        )

    @property
    def kinds(self) -> tuple[ObjectKind, ...]:
        """The kinds of cluster objects that the usable plugins work with, each plugin's in its order."""
        tables: tuple[Mapping[str, LoadedPlugin[Any]], ...] = (self.drivers, self.backends)
        infos = [table[name].info for table in tables for name in sorted(table)]
        return tuple(dict.fromkeys(kind for info in infos for kind in info.kinds))

    def refusal(self, plugin: LoadedPlugin[Any], config: Mapping[str, Any]) -> Permanent | None:
        """What the plugin's own `validate` has against its part of a NAD, which is valid by its schema; None if nothing.

        Raises ContractViolation when the plugin fails.
        """
        try:
            self._offline_plugin(plugin).validate(freeze(config))
        except Permanent as exc:
            return exc
        except Retryable as exc:
            raise ContractViolation(f"{plugin.label} raised {exc.reason} from validate, which is pure: {exc}") from exc
        return None

    def object_findings(self, ipam_type: str, objects: Sequence[Mapping[str, Any]]) -> Iterator[ObjectFinding]:
        """What a backend finds wrong with these objects. Raises ContractViolation when it fails."""
        backend: GuardedBackend = self._offline_plugin(self.backends[ipam_type])
        return backend.validate_objects(objects)

    def outline(self, ipam_type: str, config: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> LeaseOutline:
        """What a backend says that leases of this config look like. Raises ContractViolation when it fails."""
        backend: GuardedBackend = self._offline_plugin(self.backends[ipam_type])
        return backend.outline(freeze(config), objects)

    def _offline_plugin(self, plugin: LoadedPlugin[Any]) -> Any:
        """An instance that has no real host and no store: the constructor does no I/O."""
        guard = GuardedDriver if issubclass(plugin.cls, NetworkDriver) else GuardedBackend
        key = guard.__name__, plugin.name
        if key not in self._offline:
            self._offline[key] = guard(plugin, HostContext(node_name="", run_dir=Path("/nonexistent")))
        return self._offline[key]
