"""The installed drivers and IPAM backends.

Loading is loud: whatever is broken, duplicate or of another contract version is a problem with its distribution's name, and
the rest works on.
"""

from __future__ import annotations

import importlib.metadata
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from secnet.contract import (
    BackendInfo,
    ContractViolation,
    DriverInfo,
    ErrorInfo,
    HostContext,
    IPAMBackend,
    NetworkDriver,
    ObjectKind,
    Permanent,
    Unsupported,
    freeze,
)

from ..text.schema import Validator
from ._contract_check import check_declared, check_described, suspicion
from ._discovery import NOBODY, Unreadable, identity, installed, load, place_of, require_class, who
from .fragments import backend_faults, driver_faults

__all__ = [
    "BACKENDS_GROUP",
    "DRIVERS_GROUP",
    "EntryPointSource",
    "LoadedPlugin",
    "PluginProblem",
    "Registry",
]

DRIVERS_GROUP = "secnet.network_types"
BACKENDS_GROUP = "secnet.ipam"

T = TypeVar("T")
EntryPointSource = Callable[[str], Iterable[importlib.metadata.EntryPoint | Unreadable]]
"""Gives the entry points of a group; those that are installed unless a test brings its own."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginProblem:
    """A plugin that cannot be used, and why."""

    group: str
    name: str
    distribution: str
    version: str
    error: ErrorInfo


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
        problems: list[PluginProblem] = []
        drivers = dict(_load_group(_DRIVER, look_up, problems))
        backends = dict(_load_group(_BACKEND, look_up, problems))
        return cls(drivers=MappingProxyType(drivers), backends=MappingProxyType(backends), problems=tuple(problems))

    def problem(self, group: str, name: str) -> PluginProblem | None:
        """Why the plugin of that name is not usable; None when there is none of that name."""
        return next((item for item in self.problems if (item.group, item.name) == (group, name)), None)

    def unusable(self, group: str, name: str, what: str, *, subject: str = "", path: str = "") -> Unsupported | None:
        """The error for whoever asks for such a plugin; None when there is none of that name. what: `network type`."""
        broken = self.problem(group, name)
        if broken is None:
            return None
        by = broken.distribution if broken.distribution == NOBODY else f"{broken.distribution} {broken.version}"
        told = broken.error.message if by in broken.error.message else f"{by}: {broken.error.message}"
        return Unsupported(
            f"{what} {name} is installed but not usable: {told}", hint=broken.error.hint, subject=subject, path=path
        )

    @property
    def kinds(self) -> tuple[ObjectKind, ...]:
        """The kinds of cluster objects that the usable plugins work with, each plugin's in its order."""
        tables: tuple[Mapping[str, LoadedPlugin[Any]], ...] = (self.drivers, self.backends)
        infos = [table[name].info for table in tables for name in sorted(table)]
        return tuple(dict.fromkeys(kind for info in infos for kind in info.kinds))

    def refusal(self, plugin: LoadedPlugin[Any], config: Mapping[str, Any]) -> Permanent | None:
        """What the plugin's own `validate` has against its part of a NAD, which is valid by its schema; None if nothing.

        Asked is an instance that has no real host: the constructor does no I/O. Raises ContractViolation when the plugin fails.
        """
        kind = _DRIVER if issubclass(plugin.cls, NetworkDriver) else _BACKEND
        what, key = f"{kind.word} {plugin.name} of {plugin.distribution} {plugin.version}", (kind.group, plugin.name)
        if key not in self._offline:
            host = HostContext(node_name="", run_dir=Path("/nonexistent"))
            given = (host, None) if kind is _BACKEND or plugin.info.kinds else (host,)
            self._offline[key] = _guarded(f"{what}: its constructor failed", lambda: plugin.cls(*given))
        try:
            _guarded(f"{what}: validate failed", lambda: self._offline[key].validate(freeze(config)), passing=Permanent)
        except Permanent as exc:
            return exc
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What the two groups differ in."""

    word: str
    group: str
    base: type
    info: type
    name_key: str
    faults: Callable[[Any], Iterator[str]]


_DRIVER = _Kind(
    word="driver",
    group=DRIVERS_GROUP,
    base=NetworkDriver,
    info=DriverInfo,
    name_key="network_type",
    faults=driver_faults,
)
_BACKEND = _Kind(
    word="IPAM backend",
    group=BACKENDS_GROUP,
    base=IPAMBackend,
    info=BackendInfo,
    name_key="ipam_type",
    faults=backend_faults,
)


def _load_group(
    kind: _Kind, look_up: EntryPointSource, problems: list[PluginProblem]
) -> Iterator[tuple[str, LoadedPlugin[Any]]]:
    by_name: dict[str, list[importlib.metadata.EntryPoint]] = defaultdict(list)
    for found in look_up(kind.group):
        if isinstance(found, Unreadable):
            problems.append(_unreadable(kind, found))
        else:
            by_name[found.name].append(found)
    for name, entry_points in sorted(by_name.items()):
        fitting = list(_of_our_version(kind, entry_points, problems))
        if len(fitting) > 1:
            problems.extend(_duplicates(kind, name, fitting))
        if len(fitting) != 1:
            continue
        try:
            yield name, _judged(partial(_load_one, kind, fitting[0]))
        except ContractViolation as exc:
            problems.append(_problem(kind, fitting[0], exc))


def _of_our_version(
    kind: _Kind, entry_points: list[importlib.metadata.EntryPoint], problems: list[PluginProblem]
) -> Iterator[importlib.metadata.EntryPoint]:
    """Those whose metadata does not refuse this core: only among them may one be too many."""
    for entry_point in entry_points:
        try:
            _judged(partial(check_declared, entry_point))
        except ContractViolation as exc:
            problems.append(_problem(kind, entry_point, exc))
        else:
            yield entry_point


def _load_one(kind: _Kind, entry_point: importlib.metadata.EntryPoint) -> LoadedPlugin[Any]:
    distribution, version = identity(entry_point.dist)
    declared = check_declared(entry_point)
    hint = suspicion(entry_point, declared=declared)
    require_class(entry_point)
    what = f"{entry_point.value} cannot be loaded"
    cls = _guarded(what, lambda: load(entry_point), hint, entry_point)
    info = _describe(kind, cls, entry_point, declared=declared)
    options = info.options if kind is _DRIVER else info.config
    owner = f"{kind.word} {entry_point.name}"
    return LoadedPlugin(
        name=entry_point.name,
        cls=cls,
        info=info,
        distribution=distribution,
        version=version,
        options=Validator(options, owner, checked=True),  # by _describe
        node=Validator(info.node, f"node configuration of {owner}", checked=True),
    )


def _describe(kind: _Kind, cls: Any, entry_point: importlib.metadata.EntryPoint, *, declared: bool) -> Any:
    """What the plugin says of itself, if all of it is true. declared: its metadata names our contract version."""
    if not isinstance(cls, type) or not issubclass(cls, kind.base):
        raise ContractViolation(f"{entry_point.value} is not a subclass of secnet.contract.{kind.base.__name__}")
    hint = suspicion(entry_point, declared=declared)
    info = _guarded("describe() failed", lambda: cls.describe(), hint, entry_point)  # type: ignore[attr-defined]
    check_described(entry_point, info, declared=declared)
    if not isinstance(info, kind.info):
        raise ContractViolation(f"describe() returned {info!r} where {kind.info.__name__} was promised")
    said = getattr(info, kind.name_key)
    if said != entry_point.name:
        raise ContractViolation(
            f"describe() says {kind.name_key} {said!r}, but the entry point is named {entry_point.name!r}"
        )
    if inspect.isabstract(cls):
        raise ContractViolation(f"does not implement {', '.join(sorted(getattr(cls, '__abstractmethods__', ())))}")
    faults = _guarded("its description cannot be read", lambda: list(kind.faults(info)))
    if faults:
        raise ContractViolation("; ".join(faults))
    return info


def _judged(function: Callable[[], T]) -> T:
    """For what looks at a plugin: its metadata or its objects may raise anything when they are touched."""
    try:
        return function()
    except ContractViolation:
        raise
    except Exception as exc:
        raise ContractViolation(f"what it says of itself cannot be read: {type(exc).__name__}: {exc}") from exc


def _guarded(
    what: str,
    function: Callable[[], T],
    hint: str = "",
    entry_point: importlib.metadata.EntryPoint | None = None,
    passing: type[Permanent] | tuple[()] = (),
) -> T:
    """entry_point: whose code is run; the message then says where in it the trouble is. passing: errors that are an answer."""
    try:
        return function()
    except KeyboardInterrupt:
        raise
    except passing:
        raise
    except BaseException as exc:  # a plugin may even call sys.exit() while it is imported
        place = place_of(exc, entry_point) if entry_point is not None else ""
        where = f" ({place})" if place else ""
        raise ContractViolation(f"{what}: {type(exc).__name__}: {exc}{where}", hint=hint) from exc


def _duplicates(kind: _Kind, name: str, entry_points: list[importlib.metadata.EntryPoint]) -> Iterator[PluginProblem]:
    """All of them are refused: which one wins would depend on the order of sys.path."""
    providers = ", ".join(sorted(f"{identity(item.dist)[0]} ({item.value})" for item in entry_points))
    error = ContractViolation(
        f"{kind.word} {name} is provided more than once: {providers}",
        hint="uninstall all but one of these distributions",
    )
    for entry_point in entry_points:
        yield _problem(kind, entry_point, error)


def _problem(kind: _Kind, entry_point: importlib.metadata.EntryPoint, error: ContractViolation) -> PluginProblem:
    return _refused(kind, entry_point.name, entry_point.dist, error)


def _unreadable(kind: _Kind, found: Unreadable) -> PluginProblem:
    """Which types it would give is not known, so the problem is named after the file."""
    return _refused(kind, "entry_points.txt", found.dist, ContractViolation(found.message))


def _refused(
    kind: _Kind, name: str, dist: importlib.metadata.Distribution | None, error: ContractViolation
) -> PluginProblem:
    distribution, version = identity(dist)
    return PluginProblem(
        group=kind.group,
        name=name,
        distribution=distribution,
        version=version,
        error=ErrorInfo(
            reason=error.reason,
            message=error.message,
            hint=error.hint or "report it to the authors of that distribution, or uninstall it",
            subject=f"{kind.word} {name} of {who(dist)}",
        ),
    )
