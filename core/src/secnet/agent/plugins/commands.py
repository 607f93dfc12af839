"""Commands that plugins bring: the entry-point group `secnet.commands`."""

from __future__ import annotations

import importlib.metadata
from collections import defaultdict
from collections.abc import Callable, Iterable

from secnet.contract import Command, ContractViolation

from ._contract_check import check_declared
from ._discovery import Unreadable, installed, require_class, who

__all__ = ["COMMANDS_GROUP", "PluginCommands"]

COMMANDS_GROUP = "secnet.commands"

Source = Callable[[str], Iterable[importlib.metadata.EntryPoint | Unreadable]]


class PluginCommands:
    """The commands of the installed distributions by name. Nothing of a plugin runs before `load`.

    taken: the core's own names; a plugin's command of such a name is in `ignored`, in words, and not among `names`.
    """

    def __init__(self, taken: Iterable[str], source: Source = installed) -> None:
        self._found: defaultdict[str, list[importlib.metadata.EntryPoint]] = defaultdict(list)
        self.ignored: list[str] = []
        own = frozenset(taken)
        for item in source(COMMANDS_GROUP):
            if isinstance(item, Unreadable):
                self.ignored.append(item.message)
            elif item.name in own:
                self.ignored.append(
                    f"the command {item.name} of {who(item.dist)} is ignored: secnet has one of that name"
                )
            else:
                self._found[item.name].append(item)

    @property
    def names(self) -> list[str]:
        """All of them, sorted; also those that cannot be loaded."""
        return sorted(self._found)

    def load(self, name: str) -> Command:
        """Make the command. Raises ContractViolation, which names the distribution, for one that cannot be used."""
        entry_points = self._found[name]
        if len(entry_points) > 1:
            providers = ", ".join(sorted(f"{who(item.dist)} ({item.value})" for item in entry_points))
            raise ContractViolation(
                f"the command {name} is provided more than once: {providers}",
                hint="uninstall all but one of these distributions",
            )
        (entry_point,) = entry_points
        blame = f"the command {name} of {who(entry_point.dist)}"
        check_declared(entry_point)
        require_class(entry_point)
        try:
            cls = entry_point.load()
            usable = isinstance(cls, type) and issubclass(cls, Command)
            made: Command | None = cls() if usable else None
            summary = made.summary if made is not None else ""
        except Exception as exc:
            raise ContractViolation(
                f"{blame} cannot be loaded: {type(exc).__name__}: {exc}",
                hint="report it to the authors of that distribution",
            ) from exc
        if made is None or not isinstance(summary, str):
            raise ContractViolation(
                f"{blame} is {entry_point.value}, which is no subclass of secnet.contract.Command with a summary",
                hint="report it to the authors of that distribution",
            )
        return made
