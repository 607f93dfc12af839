"""What a check is given and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secnet.contract import DoctorLevel as Level
from secnet.contract import DoctorResult as Result
from secnet.contract import Needs

from ..cluster.interface import ApiReader
from ..config.settings import Settings
from ..plugins.registry import Registry

__all__ = ["ApiReader", "Check", "Host", "Level", "Result", "fail", "ok", "warn"]


def ok(what: str, finding: str) -> Result:
    """All is well."""
    return Result(level=Level.OK, what=what, finding=finding)


def warn(what: str, finding: str, remedy: str) -> Result:
    """It may matter."""
    return Result(level=Level.WARN, what=what, finding=finding, remedy=remedy)


def fail(what: str, finding: str, remedy: str) -> Result:
    """The agent cannot do all of its work."""
    return Result(level=Level.FAIL, what=what, finding=finding, remedy=remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The node as the checks see it.

    root: what stands for `/` in front of every path but those of OVSDB; tests put a folder of their own there.
    api: None when manifests are the source of the objects. rules: of the agent's ClusterRole. used: the network types that the
    networks of this cluster have; None where that is not known. environment: of the process.
    """

    settings: Settings
    registry: Registry
    api: ApiReader | None = None
    rules: Sequence[Mapping[str, Sequence[str]]] = ()
    used: frozenset[str] | None = None
    root: Path = Path("/")
    environment: Mapping[str, str]

    def path(self, absolute: Path | str) -> Path:
        """Where this absolute path is looked for."""
        return self.root / str(absolute).lstrip("/")

    def needing(self, items: Callable[[Needs], Iterable[str]]) -> dict[str, list[str]]:
        """What the installed plugins need: each item, such as of `lambda needs: needs.link_kinds`, with those that name it."""
        plugins: list[tuple[str, Any]] = [(name, plugin) for name, plugin in sorted(self.registry.drivers.items())]
        plugins += [(f"IPAM type {name}", plugin) for name, plugin in sorted(self.registry.backends.items())]
        found: dict[str, list[str]] = {}
        for name, plugin in plugins:
            for item in dict.fromkeys(items(plugin.info.needs)):
                found.setdefault(item, []).append(name)
        return found

    def worse(self, users: Iterable[str]) -> Callable[[str, str, str], Result]:
        """How bad it is that these lack something: `fail` if one of them is a configured network type, else `warn`.

        It is nothing bad where all of them are network types of which this cluster has no network: each node has the drivers of
        the whole image.
        """
        named = tuple(users)
        if any(self.settings.drivers.get(name) for name in named):
            return fail
        idle = self.used is not None and all(name in self.registry.drivers and name not in self.used for name in named)
        return _unused if named and idle else warn


def _unused(what: str, finding: str, remedy: str) -> Result:
    return ok(what, f"{finding}; there is no network that needs it")


Check = Callable[[Host], Iterable[Result] | Iterator[Result]]
