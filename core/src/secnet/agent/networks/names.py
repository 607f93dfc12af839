"""Which interface name each selected network gets, before anything is looked up.

Decided early, names do not depend on which NADs exist or are valid, so a network that fails now and succeeds later never
shifts the names of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from secnet.contract import Conflict, NetworkRef, SecnetError

from ..model.pod import NETWORKS_ANNOTATION
from ..model.selection import Named, Selection, SelectionId

__all__ = ["assign_names"]

_AUTOMATIC = tuple(f"eth{number}" for number in range(1, 101))


def assign_names(selections: Sequence[Selection], recorded: Mapping[SelectionId, str]) -> tuple[Named, ...]:
    """Name every selection, in order.

    recorded: names of the Pod's living attachments, which keep them whatever the annotation says now. Explicit names are
    reserved next; the rest take the first free of eth1 to eth100 by position. An interface name or MAC that a living
    attachment or an earlier element has fails the later element with Conflict (4.1.2.1.5).
    """
    elements = _elements(selections)
    names: dict[int, str] = {}
    holder: dict[str, int] = {}
    errors: dict[int, SecnetError] = {}
    for position, element in enumerate(elements):
        name = recorded.get(element)
        if name is not None and name not in holder:
            names[position], holder[name] = name, position
    living = set(names)
    for position, selection in enumerate(selections):
        if position in living or selection.interface is None:
            continue
        name = names[position] = selection.interface
        if holder.setdefault(name, position) != position:
            errors[position] = _taken(selection, "interface", name, selections[holder[name]])
    free = (name for name in _AUTOMATIC if name not in holder)
    for position, selection in enumerate(selections):
        if position not in names:
            names[position] = next(free, "")
            if not names[position]:
                errors[position] = _exhausted(selection)
    _check_macs(selections, living, errors)
    return tuple(
        Named(selection=selection, selection_id=elements[position], ifname=names[position], error=errors.get(position))
        for position, selection in enumerate(selections)
    )


def _elements(selections: Sequence[Selection]) -> list[SelectionId]:
    seen: Counter[tuple[NetworkRef, str]] = Counter()
    found = []
    for selection in selections:
        kind = (selection.network, selection.interface or "")
        found.append(SelectionId(network=kind[0], interface=kind[1], ordinal=seen[kind]))
        seen[kind] += 1
    return found


def _check_macs(selections: Sequence[Selection], living: set[int], errors: dict[int, SecnetError]) -> None:
    holder: dict[str, int] = {}
    for position in sorted(range(len(selections)), key=lambda position: (position not in living, position)):
        selection = selections[position]
        if selection.mac is None or position in errors:
            continue
        if holder.setdefault(selection.mac, position) != position:
            errors[position] = _taken(selection, "mac", selection.mac, selections[holder[selection.mac]])


def _taken(selection: Selection, key: str, value: str, first: Selection) -> Conflict:
    return Conflict(
        f"{key} {value} is already used by the Pod's network {first.network} ($[{first.index}])",
        hint=f"ask for another {key}, or leave it out to get one",
        subject=f"annotation {NETWORKS_ANNOTATION}",
        path=f"$[{selection.index}].{key}",
    )


def _exhausted(selection: Selection) -> Conflict:
    return Conflict(
        f"no interface name from {_AUTOMATIC[0]} to {_AUTOMATIC[-1]} is left",
        hint="ask for an interface name of your own, or for fewer networks",
        subject=f"annotation {NETWORKS_ANNOTATION}",
        path=f"$[{selection.index}]",
    )
