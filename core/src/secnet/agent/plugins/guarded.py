"""Drivers and backends behind a guard: the same interface, but what a plugin does wrong stops here.

Every method calls that of the plugin. What it raises beside a SecnetError, and a result of another type than promised, becomes
a ContractViolation that names the distribution to blame. A method that the contract gains needs its line here; a test says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from secnet.contract import (
    Attachment,
    AttachRequest,
    AttachResult,
    BackendInfo,
    Call,
    CheckReport,
    ContractViolation,
    DoctorResult,
    DriverInfo,
    HostContext,
    Inventory,
    IPAMBackend,
    IpamLease,
    IpamRequest,
    Metric,
    NetworkDriver,
    NodeObservation,
    NodeReport,
    ObjectFinding,
    ObjectStore,
    ProbeReport,
)

from ._guard import checked, guarded, tuple_of
from .plugin import LoadedPlugin

__all__ = ["GuardedBackend", "GuardedDriver"]


class GuardedDriver(NetworkDriver):
    """A driver as the core calls it. Making one makes the plugin's."""

    def __init__(
        self, plugin: LoadedPlugin[NetworkDriver], host: HostContext, objects: ObjectStore | None = None
    ) -> None:
        super().__init__(host, objects)
        self._plugin = plugin
        # A driver that declares no kinds may have a constructor without the store.
        given = (host, objects) if plugin.info.kinds else (host,)
        self._driver = guarded(plugin, "__init__", lambda: plugin.cls(*given))

    # The proxy's class stands for every plugin, so only an instance knows whose description to give.
    def describe(self) -> DriverInfo:  # type: ignore[override]
        """What the plugin said when it was loaded."""
        info: DriverInfo = self._plugin.info
        return info

    def probe(self) -> ProbeReport:
        """See NetworkDriver."""
        return checked(self._plugin, "probe", ProbeReport, lambda: self._driver.probe())

    def validate(self, options: Mapping[str, Any]) -> None:
        """See NetworkDriver."""
        checked(self._plugin, "validate", type(None), lambda: self._driver.validate(options))

    def lock_keys(self, request: AttachRequest) -> tuple[str, ...]:
        """See NetworkDriver."""
        return tuple_of(self._plugin, "lock_keys", str, lambda: self._driver.lock_keys(request))

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        """See NetworkDriver."""
        planned = checked(self._plugin, "plan", Attachment, lambda: self._driver.plan(request, call), call)
        if planned.request is not request and planned.request != request:
            raise ContractViolation(f"{self._plugin.label} changed the request in its plan")
        return planned

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        """See NetworkDriver."""
        return checked(self._plugin, "attach", AttachResult, lambda: self._driver.attach(attachment, call), call)

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        """See NetworkDriver."""
        return checked(self._plugin, "check", CheckReport, lambda: self._driver.check(attachment, call), call)

    def detach(self, attachment: Attachment, call: Call) -> None:
        """See NetworkDriver."""
        checked(self._plugin, "detach", type(None), lambda: self._driver.detach(attachment, call), call)

    def inventory(self, call: Call) -> Inventory:
        """See NetworkDriver."""
        return checked(self._plugin, "inventory", Inventory, lambda: self._driver.inventory(call), call)

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        """See NetworkDriver."""
        reconcile = self._driver.reconcile_node
        return checked(self._plugin, "reconcile_node", NodeReport, lambda: reconcile(desired, call), call)

    def observe_node(self, call: Call) -> NodeObservation:
        """See NetworkDriver."""
        return checked(self._plugin, "observe_node", NodeObservation, lambda: self._driver.observe_node(call), call)

    def watch_node(self, notify: Callable[[], None], call: Call) -> None:
        """See NetworkDriver."""
        checked(self._plugin, "watch_node", type(None), lambda: self._driver.watch_node(notify, call), call)

    def doctor(self, call: Call) -> tuple[DoctorResult, ...]:
        """See NetworkDriver."""
        return tuple_of(self._plugin, "doctor", DoctorResult, lambda: self._driver.doctor(call), call)

    def metrics(self, call: Call) -> tuple[Metric, ...]:
        """See NetworkDriver."""
        return tuple_of(self._plugin, "metrics", Metric, lambda: self._driver.metrics(call), call)

    def teardown_node(self, call: Call) -> None:
        """See NetworkDriver."""
        checked(self._plugin, "teardown_node", type(None), lambda: self._driver.teardown_node(call), call)

    def close(self) -> None:
        """See NetworkDriver."""
        guarded(self._plugin, "close", lambda: self._driver.close())


class GuardedBackend(IPAMBackend):
    """A backend as the core calls it. Making one makes the plugin's."""

    def __init__(
        self, plugin: LoadedPlugin[IPAMBackend], host: HostContext, objects: ObjectStore | None = None
    ) -> None:
        super().__init__(host, objects)
        self._plugin = plugin
        self._backend = guarded(plugin, "__init__", lambda: plugin.cls(host, objects))

    # As with GuardedDriver: only an instance knows which plugin it stands for.
    def describe(self) -> BackendInfo:  # type: ignore[override]
        """What the plugin said when it was loaded."""
        info: BackendInfo = self._plugin.info
        return info

    def probe(self) -> ProbeReport:
        """See IPAMBackend."""
        return checked(self._plugin, "probe", ProbeReport, lambda: self._backend.probe())

    def validate(self, config: Mapping[str, Any]) -> None:
        """See IPAMBackend."""
        checked(self._plugin, "validate", type(None), lambda: self._backend.validate(config))

    def validate_objects(  # type: ignore[override]
        self, objects: Sequence[Mapping[str, Any]]
    ) -> Iterator[ObjectFinding]:
        """See IPAMBackend. All findings, or the error: a part of them would look like the whole."""
        known = {_object_id(obj) for obj in objects}

        def findings() -> Iterator[ObjectFinding]:
            for obj, path, message, hint in self._plugin.cls.validate_objects(objects):
                if _object_id(obj) not in known:
                    raise LookupError(f"no object {_object_id(obj)} was given")
                yield obj, path, message, hint

        yield from guarded(self._plugin, "validate_objects", lambda: tuple(findings()))

    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        """See IPAMBackend."""
        return checked(self._plugin, "allocate", IpamLease, lambda: self._backend.allocate(request, call), call)

    def check(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> CheckReport:
        """See IPAMBackend."""
        return checked(self._plugin, "check", CheckReport, lambda: self._backend.check(lease, config, call), call)

    def renew(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> IpamLease:
        """See IPAMBackend."""
        return checked(self._plugin, "renew", IpamLease, lambda: self._backend.renew(lease, config, call), call)

    def release(self, request: IpamRequest, call: Call) -> None:
        """See IPAMBackend."""
        checked(self._plugin, "release", type(None), lambda: self._backend.release(request, call), call)

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        """See IPAMBackend."""
        return tuple_of(self._plugin, "inventory", IpamLease, lambda: self._backend.inventory(call), call)

    def doctor(self, call: Call) -> tuple[DoctorResult, ...]:
        """See IPAMBackend."""
        return tuple_of(self._plugin, "doctor", DoctorResult, lambda: self._backend.doctor(call), call)

    def metrics(self, call: Call) -> tuple[Metric, ...]:
        """See IPAMBackend."""
        return tuple_of(self._plugin, "metrics", Metric, lambda: self._backend.metrics(call), call)

    def close(self) -> None:
        """See IPAMBackend."""
        guarded(self._plugin, "close", lambda: self._backend.close())


def _object_id(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    meta = obj["metadata"]
    return obj["kind"], meta.get("namespace") or "", meta["name"]
