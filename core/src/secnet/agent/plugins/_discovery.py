"""The entry points of the installed distributions, found one distribution at a time.

`importlib.metadata.entry_points` raises for all of them when a single entry_points.txt has a line that is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib.metadata import Distribution, EntryPoint, distributions

from secnet.contract import ContractViolation

from ._boundary import line_of

__all__ = ["UNKNOWN_DISTRIBUTION", "Unreadable", "identity", "installed", "place_of", "require_class", "who"]

UNKNOWN_DISTRIBUTION = "an unknown distribution"
_VALUE = re.compile(r"[\w.]+\s*:\s*[\w.]+\s*(\[.*\])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A distribution that may have entry points of a group, which cannot be read. message: why."""

    dist: Distribution
    message: str


def installed(group: str) -> Iterator[EntryPoint | Unreadable]:
    """The entry points of one group. Of several distributions of one name the first on sys.path counts."""
    seen: set[str] = set()
    for dist in distributions():
        name = re.sub(r"[-_.]+", "-", identity(dist)[0]).lower()
        if name in seen:
            continue
        if name != UNKNOWN_DISTRIBUTION:
            seen.add(name)
        try:
            found = list(dist.entry_points)
        except Exception as exc:  # what is raised for a line that is none depends on the Python
            if _names(dist, group):
                why = f"{who(dist)} has an entry_points.txt that cannot be read: {type(exc).__name__}: {exc}"
                yield Unreadable(dist=dist, message=why)
            continue
        yield from (item for item in found if item.group == group)


def identity(dist: Distribution | None) -> tuple[str, str]:
    """Name and version. Without METADATA they are UNKNOWN_DISTRIBUTION and `?`."""
    try:
        headers = _headers(dist) if dist is not None else {}
    except Exception:  # what is raised for a file that cannot be read or decoded depends on the Python
        headers = {}
    return headers.get("Name") or UNKNOWN_DISTRIBUTION, headers.get("Version") or "?"


def _headers(dist: Distribution) -> Mapping[str, str]:
    """The head of its METADATA alone: `dist.metadata` parses the whole README behind it, for each of all distributions."""
    text = dist.read_text("METADATA") or dist.read_text("PKG-INFO") or ""
    return dict(HeaderParser().parsestr(text.partition("\n\n")[0]).items())


def who(dist: Distribution | None) -> str:
    """Name and version in one, for messages."""
    name, version = identity(dist)
    return name if name == UNKNOWN_DISTRIBUTION else f"{name} {version}"


def require_class(entry_point: EntryPoint) -> None:
    """Raise ContractViolation if it cannot name a class."""
    if not _VALUE.fullmatch(entry_point.value):
        raise ContractViolation(
            f"its entry point is {entry_point.value!r}, which does not name a class as MODULE:CLASS",
            hint=f'its authors must write {entry_point.name} = "MODULE:CLASS" in the group {entry_point.group}',
        )


def place_of(exc: BaseException, entry_point: EntryPoint) -> str:
    """Where in the plugin's own code it was raised or passed through last: `FILE, line N`; empty if nowhere."""
    if isinstance(exc, SyntaxError) and exc.filename:
        return f"{exc.filename}, line {exc.lineno}"
    found = line_of(exc, entry_point.value.partition(":")[0].strip())
    return f"{found[0]}, line {found[1]}" if found is not None else ""


def _names(dist: Distribution, group: str) -> bool:
    """Whether its entry_points.txt names the group: a broken distribution that has none for us is not reported."""
    try:
        return f"[{group}]" in (dist.read_text("entry_points.txt") or "").replace(" ", "")
    except (OSError, ValueError):
        return True
