"""Drivers and backends behind a guard: the same interface, but what a plugin does wrong stops here.

Every method calls that of the plugin. What it raises beside a SecnetError, and a result of another type than promised, becomes
a ContractViolation that names the distribution to blame. A method that the contract gains needs its line here; a test says so.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, TypeVar

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
    SecnetError,
    Traffic,
)

from .plugin import LoadedPlugin

__all__ = ["GuardedBackend", "GuardedDriver", "line_of"]

_log = logging.getLogger(__name__)

T = TypeVar("T")


class GuardedDriver(NetworkDriver):
    """A driver as the core calls it. Making one makes the plugin's."""

    def __init__(
        self, plugin: LoadedPlugin[NetworkDriver], host: HostContext, objects: ObjectStore | None = None
    ) -> None:
        super().__init__(host, objects)
        self._plugin = plugin
        # A driver that declares no kinds may have a constructor without the store.
        given = (host, objects) if plugin.info.kinds else (host,)
        self._driver = _guarded(plugin, "__init__", lambda: plugin.cls(*given))

    # The proxy's class stands for every plugin, so only an instance knows whose description to give.
    def describe(self) -> DriverInfo:  # type: ignore[override]
        """What the plugin said when it was loaded."""
        info: DriverInfo = self._plugin.info
        return info

    def probe(self) -> ProbeReport:
        """See NetworkDriver."""
        return _checked(self._plugin, "probe", ProbeReport, lambda: self._driver.probe())

    def validate(self, options: Mapping[str, Any]) -> None:
        """See NetworkDriver."""
        _checked(self._plugin, "validate", type(None), lambda: self._driver.validate(options))

    def lock_keys(self, request: AttachRequest) -> tuple[str, ...]:
        """See NetworkDriver."""
        return _tuple_of(self._plugin, "lock_keys", str, lambda: self._driver.lock_keys(request))

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        """See NetworkDriver."""
        planned = _checked(self._plugin, "plan", Attachment, lambda: self._driver.plan(request, call), call)
        if planned.request is not request and planned.request != request:
            raise ContractViolation(f"{self._plugin.label} changed the request in its plan")
        return planned

    def admit(self, attachment: Attachment, call: Call) -> None:
        """See NetworkDriver."""
        _checked(self._plugin, "admit", type(None), lambda: self._driver.admit(attachment, call), call)

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        """See NetworkDriver."""
        return _checked(self._plugin, "attach", AttachResult, lambda: self._driver.attach(attachment, call), call)

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        """See NetworkDriver."""
        return _checked(self._plugin, "check", CheckReport, lambda: self._driver.check(attachment, call), call)

    def detach(self, attachment: Attachment, call: Call) -> None:
        """See NetworkDriver."""
        _checked(self._plugin, "detach", type(None), lambda: self._driver.detach(attachment, call), call)

    def inventory(self, call: Call) -> Inventory:
        """See NetworkDriver."""
        return _checked(self._plugin, "inventory", Inventory, lambda: self._driver.inventory(call), call)

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        """See NetworkDriver."""
        reconcile = self._driver.reconcile_node
        return _checked(self._plugin, "reconcile_node", NodeReport, lambda: reconcile(desired, call), call)

    def observe_node(self, call: Call) -> NodeObservation:
        """See NetworkDriver."""
        return _checked(self._plugin, "observe_node", NodeObservation, lambda: self._driver.observe_node(call), call)

    def watch_node(self, notify: Callable[[], None], call: Call) -> None:
        """See NetworkDriver."""
        _checked(self._plugin, "watch_node", type(None), lambda: self._driver.watch_node(notify, call), call)

    def doctor(self, call: Call) -> tuple[DoctorResult, ...]:
        """See NetworkDriver."""
        return _tuple_of(self._plugin, "doctor", DoctorResult, lambda: self._driver.doctor(call), call)

    def metrics(self, call: Call) -> tuple[Metric, ...]:
        """See NetworkDriver. An element that is no metric is the caller's to leave out, with the others kept."""
        return _checked(self._plugin, "metrics", tuple, lambda: self._driver.metrics(call), call)

    def traffic(self, call: Call) -> Mapping[AttachmentId, Traffic]:
        """See NetworkDriver."""
        return _checked(self._plugin, "traffic", dict, lambda: dict(self._driver.traffic(call)), call)

    def teardown_node(self, call: Call) -> None:
        """See NetworkDriver."""
        _checked(self._plugin, "teardown_node", type(None), lambda: self._driver.teardown_node(call), call)

    def close(self) -> None:
        """See NetworkDriver."""
        _guarded(self._plugin, "close", lambda: self._driver.close())


class GuardedBackend(IPAMBackend):
    """A backend as the core calls it. Making one makes the plugin's."""

    def __init__(
        self, plugin: LoadedPlugin[IPAMBackend], host: HostContext, objects: ObjectStore | None = None
    ) -> None:
        super().__init__(host, objects)
        self._plugin = plugin
        self._backend = _guarded(plugin, "__init__", lambda: plugin.cls(host, objects))

    # As with GuardedDriver: only an instance knows which plugin it stands for.
    def describe(self) -> BackendInfo:  # type: ignore[override]
        """What the plugin said when it was loaded."""
        info: BackendInfo = self._plugin.info
        return info

    def probe(self) -> ProbeReport:
        """See IPAMBackend."""
        return _checked(self._plugin, "probe", ProbeReport, lambda: self._backend.probe())

    def validate(self, config: Mapping[str, Any]) -> None:
        """See IPAMBackend."""
        _checked(self._plugin, "validate", type(None), lambda: self._backend.validate(config))

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

        yield from _guarded(self._plugin, "validate_objects", lambda: tuple(findings()))

    def outline(self, config: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> LeaseOutline:
        """See IPAMBackend."""
        return _checked(self._plugin, "outline", LeaseOutline, lambda: self._backend.outline(config, objects))

    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        """See IPAMBackend."""
        return _checked(self._plugin, "allocate", IpamLease, lambda: self._backend.allocate(request, call), call)

    def check(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> CheckReport:
        """See IPAMBackend."""
        return _checked(self._plugin, "check", CheckReport, lambda: self._backend.check(lease, config, call), call)

    def renew(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> IpamLease:
        """See IPAMBackend."""
        renewed = _checked(self._plugin, "renew", IpamLease, lambda: self._backend.renew(lease, config, call), call)
        if (renewed.owner, renewed.addresses, renewed.vlans) != (lease.owner, lease.addresses, lease.vlans):
            raise ContractViolation(f"{self._plugin.label} renewed a lease with another owner, addresses or VLANs")
        return renewed

    def release(self, request: IpamRequest, call: Call) -> None:
        """See IPAMBackend."""
        _checked(self._plugin, "release", type(None), lambda: self._backend.release(request, call), call)

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        """See IPAMBackend."""
        return _tuple_of(self._plugin, "inventory", IpamLease, lambda: self._backend.inventory(call), call)

    def doctor(self, call: Call) -> tuple[DoctorResult, ...]:
        """See IPAMBackend."""
        return _tuple_of(self._plugin, "doctor", DoctorResult, lambda: self._backend.doctor(call), call)

    def pool_usage(self, requests: Sequence[IpamRequest], call: Call) -> tuple[PoolUsage, ...]:
        """See IPAMBackend."""
        return _tuple_of(self._plugin, "pool_usage", PoolUsage, lambda: self._backend.pool_usage(requests, call), call)

    def metrics(self, call: Call) -> tuple[Metric, ...]:
        """See IPAMBackend. As with GuardedDriver, its elements are not checked."""
        return _checked(self._plugin, "metrics", tuple, lambda: self._backend.metrics(call), call)

    def close(self) -> None:
        """See IPAMBackend."""
        _guarded(self._plugin, "close", lambda: self._backend.close())


def _object_id(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    meta = obj["metadata"]
    return obj["kind"], meta.get("namespace") or "", meta["name"]


def _guarded(plugin: LoadedPlugin[Any], method: str, function: Callable[[], T], call: Call | None = None) -> T:
    """Run code of a plugin. Anything but a SecnetError becomes a ContractViolation; its traceback is logged at debug level."""
    try:
        return function()
    except SecnetError:
        raise
    except (Exception, SystemExit) as exc:  # sys.exit() would silently end the worker that runs it
        log = _log if call is None else call.log
        log.debug("%s raised %s from %s", plugin.label, type(exc).__name__, method, exc_info=exc)
        raise ContractViolation(
            f"{plugin.label} raised {type(exc).__name__} from {method}: {exc}{_place(exc, plugin.cls)}",
            hint="report it to the authors of that distribution; its errors must be those of secnet.contract",
        ) from exc


def _checked(
    plugin: LoadedPlugin[Any], method: str, expected: type[T], function: Callable[[], T], call: Call | None = None
) -> T:
    """As `_guarded`; the result must be of the promised type."""
    value: object = _guarded(plugin, method, function, call)
    if not isinstance(value, expected):
        raise _wrong_type(plugin, method, value, expected.__name__)
    return value


def _tuple_of(
    plugin: LoadedPlugin[Any],
    method: str,
    expected: type[T],
    function: Callable[[], tuple[T, ...]],
    call: Call | None = None,
) -> tuple[T, ...]:
    """As `_checked`, for a tuple whose every element is of the promised type."""
    value = _checked(plugin, method, tuple, function, call)
    for item in value:
        if not isinstance(item, expected):
            raise _wrong_type(plugin, method, item, f"a tuple of {expected.__name__}")
    return value


def line_of(exc: BaseException, module: str) -> tuple[str, int] | None:
    """File and line of the innermost frame in the package of `module`; None if no code of it was entered."""
    package = module.partition(".")[0]
    found = None
    for frame, line in traceback.walk_tb(exc.__traceback__):
        if str(frame.f_globals.get("__name__")).partition(".")[0] == package:
            found = frame.f_code.co_filename, line
    return found


def _place(exc: BaseException, cls: type) -> str:
    """` (secnet_foo/driver.py:41)`; empty if no code of the plugin was entered."""
    found = line_of(exc, cls.__module__)
    if found is None:
        return ""
    parts, package = PurePath(found[0]).parts, cls.__module__.partition(".")[0]
    start = max((at for at, part in enumerate(parts) if part == package), default=len(parts) - 1)
    return f" ({'/'.join(parts[start:])}:{found[1]})"


def _wrong_type(plugin: LoadedPlugin[Any], method: str, value: object, promised: str) -> ContractViolation:
    return ContractViolation(
        f"{plugin.label} returned {value!r} from {method} where {promised} was promised",
        hint="report it to the authors of that distribution",
    )
