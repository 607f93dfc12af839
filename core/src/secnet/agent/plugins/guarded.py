"""Drivers and backends behind a guard: the same interface, but what a plugin does wrong stops here.

Every method calls that of the plugin through its `Boundary`, which says what becomes of its errors, of a result of another type
than promised, and of a call that does not return. A method that the contract gains needs its line here; a test says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from secnet.contract import (
    Attachment,
    AttachmentId,
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
    IpamOwner,
    IpamRequest,
    LeaseOutline,
    Metric,
    NetworkDriver,
    NodeObservation,
    NodeReport,
    ObjectFinding,
    ObjectStore,
    PoolUsage,
    ProbeReport,
    Traffic,
)

from ._boundary import Boundary
from .calls import PluginCalls, Subject
from .plugin import LoadedPlugin

__all__ = ["GuardedBackend", "GuardedDriver"]

_NONE = type(None)
_LOCK_KEYS_SECONDS = 10.0  # it is pure; the caller's own thread is spared another one


class GuardedDriver(NetworkDriver):
    """A driver as the core calls it. Making one makes the plugin's. calls: None for a guard of its own."""

    def __init__(
        self,
        plugin: LoadedPlugin[NetworkDriver],
        host: HostContext,
        objects: ObjectStore | None = None,
        calls: PluginCalls | None = None,
    ) -> None:
        super().__init__(host, objects)
        self._plugin = plugin
        self._into = Boundary(plugin, calls)
        # A driver that declares no kinds may have a constructor without the store.
        given = (host, objects) if plugin.info.kinds else (host,)
        self._driver = self._into.make(lambda: plugin.cls(*given))

    # The proxy's class stands for every plugin, so only an instance knows whose description to give.
    def describe(self) -> DriverInfo:  # type: ignore[override]
        """What the plugin said when it was loaded."""
        info: DriverInfo = self._plugin.info
        return info

    def probe(self) -> ProbeReport:
        """See NetworkDriver."""
        return self._into.apart("probe", ProbeReport, lambda: self._driver.probe())

    def validate(self, options: Mapping[str, Any]) -> None:
        """See NetworkDriver."""
        self._into.pure("validate", _NONE, lambda: self._driver.validate(options))

    def lock_keys(self, request: AttachRequest) -> tuple[str, ...]:
        """See NetworkDriver."""
        call = Call.within(_LOCK_KEYS_SECONDS)
        keys = self._into.held("lock_keys", tuple, lambda: self._driver.lock_keys(request), call, _of(request))
        return self._into.each(keys, "lock_keys", str)

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        """See NetworkDriver."""
        plan = self._driver.plan
        planned = self._into.held("plan", Attachment, lambda: plan(request, call), call, _of(request))
        if planned.request is not request and planned.request != request:
            raise ContractViolation(f"{self._plugin.label} changed the request in its plan")
        return planned

    def admit(self, attachment: Attachment, call: Call) -> None:
        """See NetworkDriver."""
        admit = self._driver.admit
        self._into.held("admit", _NONE, lambda: admit(attachment, call), call, _of(attachment.request))

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        """See NetworkDriver."""
        attach = self._driver.attach
        return self._into.held("attach", AttachResult, lambda: attach(attachment, call), call, _of(attachment.request))

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        """See NetworkDriver."""
        check = self._driver.check
        return self._into.held("check", CheckReport, lambda: check(attachment, call), call, _of(attachment.request))

    def detach(self, attachment: Attachment, call: Call) -> None:
        """See NetworkDriver."""
        detach = self._driver.detach
        self._into.held("detach", _NONE, lambda: detach(attachment, call), call, _of(attachment.request))

    def inventory(self, call: Call) -> Inventory:
        """See NetworkDriver."""
        return self._into.apart("inventory", Inventory, lambda: self._driver.inventory(call), call)

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        """See NetworkDriver."""
        reconcile = self._driver.reconcile_node
        return self._into.apart("reconcile_node", NodeReport, lambda: reconcile(desired, call), call)

    def observe_node(self, call: Call) -> NodeObservation:
        """See NetworkDriver."""
        return self._into.apart("observe_node", NodeObservation, lambda: self._driver.observe_node(call), call)

    def watch_node(self, notify: Callable[[], None], call: Call) -> None:
        """See NetworkDriver."""
        self._into.free("watch_node", _NONE, lambda: self._driver.watch_node(notify, call), call)

    def doctor(self, call: Call) -> tuple[DoctorResult, ...]:
        """See NetworkDriver."""
        found = self._into.apart("doctor", tuple, lambda: self._driver.doctor(call), call)
        return self._into.each(found, "doctor", DoctorResult)

    def metrics(self, call: Call) -> tuple[Metric, ...]:
        """See NetworkDriver. An element that is no metric is the caller's to leave out, with the others kept."""
        return self._into.apart("metrics", tuple, lambda: self._driver.metrics(call), call)

    def traffic(self, call: Call) -> Mapping[AttachmentId, Traffic]:
        """See NetworkDriver."""
        return self._into.apart("traffic", dict, lambda: dict(self._driver.traffic(call)), call)

    def teardown_node(self, call: Call) -> None:
        """See NetworkDriver."""
        self._into.apart("teardown_node", _NONE, lambda: self._driver.teardown_node(call), call)

    def close(self) -> None:
        """See NetworkDriver."""
        self._into.apart("close", object, lambda: self._driver.close())


class GuardedBackend(IPAMBackend):
    """A backend as the core calls it. Making one makes the plugin's. calls: None for a guard of its own."""

    def __init__(
        self,
        plugin: LoadedPlugin[IPAMBackend],
        host: HostContext,
        objects: ObjectStore | None = None,
        calls: PluginCalls | None = None,
    ) -> None:
        super().__init__(host, objects)
        self._plugin = plugin
        self._into = Boundary(plugin, calls)
        self._backend = self._into.make(lambda: plugin.cls(host, objects))

    # As with GuardedDriver: only an instance knows which plugin it stands for.
    def describe(self) -> BackendInfo:  # type: ignore[override]
        """What the plugin said when it was loaded."""
        info: BackendInfo = self._plugin.info
        return info

    def probe(self) -> ProbeReport:
        """See IPAMBackend."""
        return self._into.apart("probe", ProbeReport, lambda: self._backend.probe())

    def validate(self, config: Mapping[str, Any]) -> None:
        """See IPAMBackend."""
        self._into.pure("validate", _NONE, lambda: self._backend.validate(config))

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

        yield from self._into.pure("validate_objects", tuple, lambda: tuple(findings()))

    def outline(self, config: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> LeaseOutline:
        """See IPAMBackend."""
        return self._into.pure("outline", LeaseOutline, lambda: self._backend.outline(config, objects))

    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        """See IPAMBackend."""
        allocate = self._backend.allocate
        return self._into.held("allocate", IpamLease, lambda: allocate(request, call), call, _owned(request.owner))

    def check(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> CheckReport:
        """See IPAMBackend."""
        check = self._backend.check
        return self._into.held("check", CheckReport, lambda: check(lease, config, call), call, _owned(lease.owner))

    def renew(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> IpamLease:
        """See IPAMBackend."""
        renew = self._backend.renew
        renewed = self._into.held("renew", IpamLease, lambda: renew(lease, config, call), call, _owned(lease.owner))
        if (renewed.owner, renewed.addresses, renewed.vlans) != (lease.owner, lease.addresses, lease.vlans):
            raise ContractViolation(f"{self._plugin.label} renewed a lease with another owner, addresses or VLANs")
        return renewed

    def release(self, request: IpamRequest, call: Call) -> None:
        """See IPAMBackend."""
        release = self._backend.release
        self._into.held("release", _NONE, lambda: release(request, call), call, _owned(request.owner))

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        """See IPAMBackend."""
        found = self._into.apart("inventory", tuple, lambda: self._backend.inventory(call), call)
        return self._into.each(found, "inventory", IpamLease)

    def doctor(self, call: Call) -> tuple[DoctorResult, ...]:
        """See IPAMBackend."""
        found = self._into.apart("doctor", tuple, lambda: self._backend.doctor(call), call)
        return self._into.each(found, "doctor", DoctorResult)

    def pool_usage(self, requests: Sequence[IpamRequest], call: Call) -> tuple[PoolUsage, ...]:
        """See IPAMBackend."""
        found = self._into.apart("pool_usage", tuple, lambda: self._backend.pool_usage(requests, call), call)
        return self._into.each(found, "pool_usage", PoolUsage)

    def metrics(self, call: Call) -> tuple[Metric, ...]:
        """See IPAMBackend. As with GuardedDriver, its elements are not checked."""
        return self._into.apart("metrics", tuple, lambda: self._backend.metrics(call), call)

    def close(self) -> None:
        """See IPAMBackend."""
        self._into.apart("close", object, lambda: self._backend.close())


def _of(request: AttachRequest) -> Subject:
    return Subject(key=request.key, pod=request.pod, network=request.network)


def _owned(owner: IpamOwner) -> Subject:
    return Subject(key=AttachmentId(container_id=owner.container_id, ifname=owner.ifname), pod=owner.pod)


def _object_id(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    meta = obj["metadata"]
    return obj["kind"], meta.get("namespace") or "", meta["name"]
