"""One stevedore manager for each entry-point group. It loads the plugins; what cannot be used is a problem, never a lost line.

stevedore's own list of entry points is replaced: its cache drops the distribution, leaves out one of two equal entries, and can
be stale after an editable install. Sorted by name, since its search for conflicts compares neighbours only.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from operator import attrgetter
from typing import Any, TypeVar

from stevedore.extension import Extension, ExtensionManager

from secnet.contract import BackendInfo, ContractViolation, DriverInfo, ErrorInfo, IPAMBackend, NetworkDriver

from ..text.schema import Validator
from ._contract_check import check_declared, check_described, suspicion
from ._discovery import Unreadable, identity, place_of, require_class, who
from .fragments import backend_faults, driver_faults
from .plugin import BACKENDS_GROUP, DRIVERS_GROUP, LoadedPlugin, PluginProblem

__all__ = ["BACKENDS", "DRIVERS", "Kind", "PluginManager"]

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the two groups differ in. faults: what is wrong with a description."""

    word: str
    group: str
    base: type
    info: type
    name_key: str
    faults: Callable[[Any], Iterator[str]]


DRIVERS = Kind(
    word="driver",
    group=DRIVERS_GROUP,
    base=NetworkDriver,
    info=DriverInfo,
    name_key="network_type",
    faults=driver_faults,
)
BACKENDS = Kind(
    word="IPAM backend",
    group=BACKENDS_GROUP,
    base=IPAMBackend,
    info=BackendInfo,
    name_key="ipam_type",
    faults=backend_faults,
)


class PluginManager(ExtensionManager[Any]):
    """Loads each plugin of one group and compares it with the contract. `usable` are those without a problem."""

    def __init__(self, kind: Kind, found: Iterable[EntryPoint | Unreadable]) -> None:
        self._kind = kind
        self._entry_points: list[EntryPoint] = []
        self._found_problems: list[PluginProblem] = []
        for item in found:
            if isinstance(item, Unreadable):
                # Which types it would give is not known, so the problem is named after the file.
                self._note("entry_points.txt", item.dist, ContractViolation(item.message))
            else:
                self._entry_points.append(item)
        self._entry_points.sort(key=attrgetter("name"))
        super().__init__(
            kind.group,
            invoke_on_load=False,
            on_load_failure_callback=lambda _manager, ep, error: self._on_failure(ep, error),
            conflict_resolver=self._on_conflict,
        )
        self.usable: dict[str, LoadedPlugin[Any]] = {
            name: extension.obj for name, extension in self.items() if extension.obj is not None
        }

    @property
    def problems(self) -> tuple[PluginProblem, ...]:
        """What cannot be used, sorted by name."""
        return tuple(sorted(self._found_problems, key=lambda item: (item.name, item.distribution)))

    def list_entry_points(self) -> list[EntryPoint]:
        """Those that were given, sorted by name."""
        return self._entry_points

    # The hook of stevedore's own managers. An AssertionError or SystemExit at import would pass its callback by.
    def _load_one_plugin(self, ep: EntryPoint, *invocation: Any) -> Extension[Any]:
        declared = check_declared(ep)
        require_class(ep)
        hint = suspicion(ep, declared=declared)
        load = super()._load_one_plugin
        extension = _run(f"{ep.value} cannot be loaded", lambda: load(ep, *invocation), hint, ep)
        assert extension is not None  # only the managers that choose by name return None
        extension.obj = _loaded(self._kind, extension.plugin, ep, declared=declared)
        return extension

    def _on_failure(self, ep: EntryPoint, error: BaseException) -> None:
        _log.debug("%s %s cannot be used", self._kind.word, ep.name, exc_info=error)
        if not isinstance(error, ContractViolation):  # metadata and descriptions may raise anything when they are read
            error = ContractViolation(f"what it says of itself cannot be read: {type(error).__name__}: {error}")
        self._note(ep.name, ep.dist, error)

    def _on_conflict(self, _group: str, name: str, extensions: list[Extension[Any]]) -> Extension[Any]:
        """All of them are refused: which one wins would depend on the order of sys.path."""
        found = [extension.entry_point for extension in extensions]
        providers = ", ".join(sorted(f"{identity(ep.dist)[0]} ({ep.value})" for ep in found))
        error = ContractViolation(
            f"{self._kind.word} {name} is provided more than once: {providers}",
            hint="uninstall all but one of these distributions",
        )
        for ep in found:
            self._note(name, ep.dist, error)
        return Extension(name, extensions[0].entry_point, extensions[0].plugin, None)

    def _note(self, name: str, dist: Any, error: ContractViolation) -> None:
        distribution, version = identity(dist)
        self._found_problems.append(
            PluginProblem(
                group=self._kind.group,
                name=name,
                distribution=distribution,
                version=version,
                error=ErrorInfo(
                    reason=error.reason,
                    message=error.message,
                    hint=error.hint or "report it to the authors of that distribution, or uninstall it",
                    subject=f"{self._kind.word} {name} of {who(dist)}",
                ),
            )
        )


def _loaded(kind: Kind, cls: Any, ep: EntryPoint, *, declared: bool) -> LoadedPlugin[Any]:
    info = _describe(kind, cls, ep, declared=declared)
    distribution, version = identity(ep.dist)
    owner = f"{kind.word} {ep.name}"
    return LoadedPlugin(
        name=ep.name,
        cls=cls,
        info=info,
        distribution=distribution,
        version=version,
        # Checked by _describe.
        options=Validator(info.options if kind is DRIVERS else info.config, owner, checked=True),
        node=Validator(info.node, f"node configuration of {owner}", checked=True),
    )


def _describe(kind: Kind, cls: Any, ep: EntryPoint, *, declared: bool) -> Any:
    """What the plugin says of itself, if all of it is true. declared: its metadata names our contract version."""
    if not isinstance(cls, type) or not issubclass(cls, kind.base):
        raise ContractViolation(f"{ep.value} is not a subclass of secnet.contract.{kind.base.__name__}")
    hint = suspicion(ep, declared=declared)
    info = _run("describe() failed", lambda: cls.describe(), hint, ep)  # type: ignore[attr-defined]
    check_described(ep, info, declared=declared)
    if not isinstance(info, kind.info):
        raise ContractViolation(f"describe() returned {info!r} where {kind.info.__name__} was promised")
    named = getattr(info, kind.name_key)
    if named != ep.name:
        raise ContractViolation(f"describe() says {kind.name_key} {named!r}, but the entry point is named {ep.name!r}")
    if inspect.isabstract(cls):
        raise ContractViolation(f"does not implement {', '.join(sorted(getattr(cls, '__abstractmethods__', ())))}")
    faults = _run("its description cannot be read", lambda: list(kind.faults(info)), "", ep)
    if faults:
        raise ContractViolation("; ".join(faults))
    return info


def _run(what: str, function: Callable[[], T], hint: str, ep: EntryPoint) -> T:
    """Run code of a plugin; the error says where in it the fault is."""
    try:
        return function()
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # a plugin may even call sys.exit() while it is imported
        place = place_of(exc, ep)
        where = f" ({place})" if place else ""
        raise ContractViolation(f"{what}: {type(exc).__name__}: {exc}{where}", hint=hint) from exc
