"""The living drivers and backends of one agent, each behind its guard."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from secnet.contract import (
    Call,
    ContractViolation,
    IPAMBackend,
    IpamRequest,
    NetworkDriver,
    ObjectStore,
    Unsupported,
)

from ..config.settings import Settings
from ..plugins.calls import PluginCalls
from ..plugins.guarded import GuardedBackend, GuardedDriver
from ..plugins.plugin import LoadedPlugin
from ..plugins.registry import BACKENDS_GROUP, DRIVERS_GROUP, Registry

__all__ = ["Plugins"]

P = TypeVar("P", NetworkDriver, IPAMBackend)


class Plugins:
    """Makes each driver and backend once, when first needed, and closes them all at the end. Thread-safe.

    calls: knows the calls into all of them.
    """

    def __init__(
        self, registry: Registry, settings: Settings, objects: ObjectStore, calls: PluginCalls | None = None
    ) -> None:
        self.registry = registry
        self.calls = calls or PluginCalls()
        self._settings = settings
        self._objects = objects
        self._lock = threading.Lock()
        self._drivers: dict[str, NetworkDriver] = {}
        self._backends: dict[str, IPAMBackend] = {}

    def driver(self, network_type: str) -> NetworkDriver:
        """The driver of a network type, guarded. Raises Unsupported when none is installed."""
        plugin = self.driver_plugin(network_type)
        with self._lock:
            if network_type not in self._drivers:
                host = self._settings.driver_context(network_type)
                objects = self._objects if plugin.info.kinds else None
                self._drivers[network_type] = GuardedDriver(plugin, host, objects, self.calls)
            return self._drivers[network_type]

    def backend(self, ipam_type: str) -> IPAMBackend:
        """The backend of an `ipam.type`, guarded. Raises Unsupported when none is installed."""
        plugin = self.backend_plugin(ipam_type)
        with self._lock:
            if ipam_type not in self._backends:
                host = self._settings.backend_context(ipam_type)
                objects = self._objects if plugin.info.kinds else None
                self._backends[ipam_type] = GuardedBackend(plugin, host, objects, self.calls)
            return self._backends[ipam_type]

    def driver_plugin(self, network_type: str) -> LoadedPlugin[NetworkDriver]:
        """Class, description and distribution of a network type."""
        return _look_up(self.registry, self.registry.drivers, network_type, "network type", DRIVERS_GROUP)

    def backend_plugin(self, ipam_type: str) -> LoadedPlugin[IPAMBackend]:
        """Class, description and distribution of an IPAM type."""
        return _look_up(self.registry, self.registry.backends, ipam_type, "IPAM type", BACKENDS_GROUP)

    def release_unheld(self, ipam_type: str, request: IpamRequest, call: Call) -> None:
        """Release what no attachment of this node has. Nothing is held for it, so that one that hangs keeps nothing waiting."""
        backend, plugin = self.backend(ipam_type), self.backend_plugin(ipam_type)
        self.calls.apart(plugin, "release", lambda: backend.release(request, call), call)

    def close(self) -> None:
        """Close whatever was made; a plugin that fails to close does not keep the others open."""
        with self._lock:
            living: list[NetworkDriver | IPAMBackend] = [*self._drivers.values(), *self._backends.values()]
            self._drivers.clear()
            self._backends.clear()
        if not living:
            return
        with ThreadPoolExecutor(len(living)) as pool:  # each may take its whole deadline
            errors = [error for error in pool.map(_close, living) if error is not None]
        if errors:
            raise ContractViolation(
                f"{len(errors)} plugins failed to close, the first with: {errors[0]!r}"
            ) from errors[0]


def _close(instance: NetworkDriver | IPAMBackend) -> Exception | None:
    try:
        instance.close()
    except Exception as exc:
        return exc
    return None


def _look_up(
    registry: Registry, table: Mapping[str, LoadedPlugin[P]], name: str, what: str, group: str
) -> LoadedPlugin[P]:
    if name in table:
        return table[name]
    if (broken := registry.unusable(group, name, what)) is not None:
        raise broken
    known = ", ".join(sorted(table)) or "none"
    raise Unsupported(
        f"no driver for {what} {name!r} is installed (installed: {known})",
        hint=f"install the distribution that provides the entry point {name!r} in group {group}",
    )
