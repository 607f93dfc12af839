"""What a plugin raises or returns against its contract, as an error that names its distribution and the line in its code."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, TypeVar

from secnet.contract import Call, ContractViolation, SecnetError

from .plugin import LoadedPlugin

__all__ = ["checked", "guarded", "line_of", "tuple_of"]

_log = logging.getLogger(__name__)

T = TypeVar("T")


def guarded(plugin: LoadedPlugin[Any], method: str, function: Callable[[], T], call: Call | None = None) -> T:
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


def checked(
    plugin: LoadedPlugin[Any], method: str, expected: type[T], function: Callable[[], T], call: Call | None = None
) -> T:
    """As `guarded`; the result must be of the promised type."""
    value: object = guarded(plugin, method, function, call)
    if not isinstance(value, expected):
        raise _wrong_type(plugin, method, value, expected.__name__)
    return value


def tuple_of(
    plugin: LoadedPlugin[Any],
    method: str,
    expected: type[T],
    function: Callable[[], tuple[T, ...]],
    call: Call | None = None,
) -> tuple[T, ...]:
    """As `checked`, for a tuple whose every element is of the promised type."""
    value = checked(plugin, method, tuple, function, call)
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
