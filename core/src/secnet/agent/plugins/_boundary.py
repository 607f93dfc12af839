"""Where the core's thread enters code of a plugin, and how what that does wrong comes out."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, TypeVar

from secnet.contract import Call, ContractViolation, SecnetError

from .calls import PluginCalls, Subject
from .plugin import LoadedPlugin

__all__ = ["Boundary", "line_of"]

_log = logging.getLogger(__name__)

_OWN_SECONDS = 2.0  # what the contract gives `probe` and `close`, which get no call
_PURE_SECONDS = 10.0  # for what has nothing to wait for

T = TypeVar("T")


class Boundary:
    """The calls of one instance of a plugin.

    Whatever it raises beside a SecnetError, and a result of another type than promised, becomes a ContractViolation that names
    the distribution and the line. See `PluginCalls` for those that do not return.
    """

    def __init__(self, plugin: LoadedPlugin[Any], calls: PluginCalls | None = None) -> None:
        self.plugin = plugin
        self._calls = calls or PluginCalls()

    def held(
        self, method: str, promised: type[T], function: Callable[[], T], call: Call, subject: Subject | None = None
    ) -> T:
        """A call that its caller holds a Pod or locks for."""
        return self._checked(
            method,
            promised,
            self._calls.held(self.plugin, method, lambda: self._guarded(method, function, call), call, subject),
        )

    def pure(self, method: str, promised: type[T], function: Callable[[], T]) -> T:
        """A call without a context, which has nothing to wait for."""
        return self._checked(method, promised, self._apart(method, function, _PURE_SECONDS))

    def apart(self, method: str, promised: type[T], function: Callable[[], T], call: Call | None = None) -> T:
        """A call that nothing is held for: its thread is left behind when it does not return."""
        return self._checked(method, promised, self._apart(method, function, call or _OWN_SECONDS))

    def each(self, value: tuple[T, ...], method: str, promised: type[T]) -> tuple[T, ...]:
        """The tuple, if its every element is of the promised type."""
        for item in value:
            if not isinstance(item, promised):
                raise self._wrong_type(method, item, f"a tuple of {promised.__name__}")
        return value

    def free(self, method: str, promised: type[T], function: Callable[[], T], call: Call) -> T:
        """A call that has a thread of its own already, and may last."""
        return self._checked(method, promised, self._guarded(method, function, call))

    def make(self, function: Callable[[], T]) -> T:
        """The plugin's constructor."""
        return self._apart("__init__", function, _PURE_SECONDS)

    def _apart(self, method: str, function: Callable[[], T], limit: Call | float) -> T:
        call = limit if isinstance(limit, Call) else None
        return self._calls.apart(self.plugin, method, lambda: self._guarded(method, function, call), limit)

    def _guarded(self, method: str, function: Callable[[], T], call: Call | None) -> T:
        """Anything but a SecnetError becomes a ContractViolation; its traceback is logged at debug level."""
        plugin = self.plugin
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

    def _checked(self, method: str, promised: type[T], value: object) -> T:
        if not isinstance(value, promised):
            raise self._wrong_type(method, value, promised.__name__)
        return value

    def _wrong_type(self, method: str, value: object, promised: str) -> ContractViolation:
        return ContractViolation(
            f"{self.plugin.label} returned {value!r} from {method} where {promised} was promised",
            hint="report it to the authors of that distribution",
        )


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
