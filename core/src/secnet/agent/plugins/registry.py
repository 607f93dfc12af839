"""The installed drivers and IPAM backends.

Loading is loud: whatever is broken, duplicate or of another contract version is a problem with its distribution's name, and
the rest works on.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from secnet.contract import HostContext, IPAMBackend, NetworkDriver, Unsupported

from ._discovery import NOBODY, Unreadable, installed
from ._manager import BACKENDS, DRIVERS, PluginManager
from .guarded import GuardedBackend
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
    _offline: dict[str, IPAMBackend] = field(default_factory=dict, repr=False, compare=False)

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
        """The error for whoever asks for such a plugin; None when there is none of that name. what: `network type`."""
        broken = self.problem(group, name)
        if broken is None:
            return None
        by = broken.distribution if broken.distribution == NOBODY else f"{broken.distribution} {broken.version}"
        message = broken.error.message if by in broken.error.message else f"{by}: {broken.error.message}"
        return Unsupported(
            f"{what} {name} is installed but not usable: {message}", hint=broken.error.hint, subject=subject, path=path
        )

    def offline_backend(self, ipam_type: str) -> IPAMBackend:
        """A backend that serves for `validate` only: it has no store and no real host (its constructor does no I/O)."""
        if ipam_type not in self._offline:
            host = HostContext(node_name="", run_dir=Path("/nonexistent"))
            self._offline[ipam_type] = GuardedBackend(self.backends[ipam_type], host)
        return self._offline[ipam_type]
