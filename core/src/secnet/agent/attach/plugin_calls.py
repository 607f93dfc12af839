"""The living drivers and backends of one agent, and the guard around every call into them.

A plugin that raises something else than a SecnetError, or returns something else than its contract says, is a
ContractViolation that names the distribution to blame; it never takes the agent down (issue 2, item 1).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from secnet.contract import (
    ContractViolation,
    HostContext,
    IPAMBackend,
    NetworkDriver,
    ObjectStore,
    SecnetError,
    Unsupported,
)

from ..config.settings import Settings
from ..plugins.registry import BACKENDS_GROUP, DRIVERS_GROUP, LoadedPlugin, Registry

__all__ = ["Plugins", "blame"]

T = TypeVar("T")
P = TypeVar("P", NetworkDriver, IPAMBackend)


def blame(plugin: LoadedPlugin[Any]) -> str:
    """The words that name a plugin in an error: `driver vlan (secnet-vlan 0.1.0)`."""
    kind = "driver" if issubclass(plugin.cls, NetworkDriver) else "IPAM backend"
    return f"{kind} {plugin.name} ({plugin.distribution} {plugin.version})"


class Plugins:
    """Makes each driver and backend once, when first needed, and closes them all at the end. Thread-safe."""

    def __init__(self, registry: Registry, settings: Settings, objects: ObjectStore) -> None:
        self.registry = registry
        self._settings = settings
        self._objects = objects
        self._lock = threading.Lock()
        self._drivers: dict[str, NetworkDriver] = {}
        self._backends: dict[str, IPAMBackend] = {}

    def driver(self, network_type: str) -> NetworkDriver:
        """The driver of a network type. Raises Unsupported when none is installed."""
        plugin = self.driver_plugin(network_type)
        with self._lock:
            if network_type not in self._drivers:
                host = self._settings.driver_context(network_type)
                self._drivers[network_type] = guarded(plugin, "__init__", lambda: _made(plugin, host, self._objects))
            return self._drivers[network_type]

    def backend(self, ipam_type: str) -> IPAMBackend:
        """The backend of an `ipam.type`. Raises Unsupported when none is installed."""
        plugin = self.backend_plugin(ipam_type)
        with self._lock:
            if ipam_type not in self._backends:
                host = self._settings.backend_context(ipam_type)
                objects = self._objects if plugin.info.kinds else None
                self._backends[ipam_type] = guarded(plugin, "__init__", lambda: plugin.cls(host, objects))
            return self._backends[ipam_type]

    def driver_plugin(self, network_type: str) -> LoadedPlugin[NetworkDriver]:
        """Class, description and distribution of a network type."""
        return _look_up(self.registry, self.registry.drivers, network_type, "network type", DRIVERS_GROUP)

    def backend_plugin(self, ipam_type: str) -> LoadedPlugin[IPAMBackend]:
        """Class, description and distribution of an IPAM type."""
        return _look_up(self.registry, self.registry.backends, ipam_type, "IPAM type", BACKENDS_GROUP)

    def drive(self, network_type: str, method: str, expected: type[T], *args: Any) -> T:
        """Call a method of a driver, guarded; the result must be of the type `expected`."""
        plugin = self.driver_plugin(network_type)
        function = getattr(self.driver(network_type), method)
        return checked(plugin, method, expected, guarded(plugin, method, lambda: function(*args)))

    def ask(self, ipam_type: str, method: str, expected: type[T], *args: Any) -> T:
        """Call a method of a backend, guarded; the result must be of the type `expected`."""
        plugin = self.backend_plugin(ipam_type)
        function = getattr(self.backend(ipam_type), method)
        return checked(plugin, method, expected, guarded(plugin, method, lambda: function(*args)))

    def close(self) -> None:
        """Close whatever was made; a plugin that fails to close does not keep the others open."""
        with self._lock:
            living: list[NetworkDriver | IPAMBackend] = [*self._drivers.values(), *self._backends.values()]
            self._drivers.clear()
            self._backends.clear()
        errors = []
        for instance in living:
            try:
                instance.close()
            except Exception as exc:
                errors.append(exc)
        if errors:
            raise ContractViolation(
                f"{len(errors)} plugins failed to close, the first with: {errors[0]!r}"
            ) from errors[0]


def _made(plugin: LoadedPlugin[NetworkDriver], host: HostContext, objects: ObjectStore) -> NetworkDriver:
    """A driver gets the store only if it declares kinds: one that does not may have a constructor without it."""
    return plugin.cls(host, objects) if plugin.info.kinds else plugin.cls(host)


def guarded(plugin: LoadedPlugin[Any], method: str, function: Callable[[], T]) -> T:
    """Run plugin code; anything but a SecnetError becomes a ContractViolation with the plugin's name."""
    try:
        return function()
    except SecnetError:
        raise
    except (Exception, SystemExit) as exc:  # sys.exit() would silently end the worker that runs it
        raise ContractViolation(
            f"{blame(plugin)} raised {type(exc).__name__} from {method}: {exc}",
            hint="report it to the authors of that distribution; its errors must be those of secnet.contract",
        ) from exc


def checked(plugin: LoadedPlugin[Any], method: str, expected: type[T], value: Any) -> T:
    """The value, if it is of the promised type."""
    if not isinstance(value, expected):
        raise ContractViolation(
            f"{blame(plugin)} returned {value!r} from {method} where {expected.__name__} was promised",
            hint="report it to the authors of that distribution",
        )
    return value


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
