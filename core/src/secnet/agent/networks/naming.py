"""The interface names of a Pod's networks, by position in the annotation.

They do not depend on which NADs exist or are valid, nor on which elements are malformed: a network that fails now and succeeds
later never shifts the names of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from secnet.contract import Conflict, NetworkRef, SecnetError

from ..model.pod import NETWORKS_ANNOTATION
from ..model.selection import AnySelection, Malformed, Named, Selection, SelectionId
from .annotation import annotation_error

__all__ = ["assign_names"]

_AUTOMATIC = tuple(f"eth{number}" for number in range(1, 101))


def assign_names(elements: Sequence[AnySelection], recorded: Mapping[SelectionId, str]) -> tuple[Named, ...]:
    """Name every element, in order.

    recorded: names of the Pod's living attachments, which keep them whatever the annotation says now. Explicit names are
    reserved next; the rest take the first free of eth1 to eth100 by position, malformed elements too. Of two elements with one
    interface name or MAC (4.1.2.1.5), or with `default-route` (4.1.2.1.9), the later one fails, and not the one that lives.

    A malformed element may not tell which of the living attachments it means. While there is one, all of them keep their names.
    """
    selection_ids, unidentified = _identify(elements, recorded)
    names: dict[int, str] = {}
    holder: dict[str, int] = {}
    errors = {position: each.error for position, each in enumerate(elements) if isinstance(each, Malformed)}
    for position, selection_id in enumerate(selection_ids):
        name = recorded.get(selection_id)
        if name is not None and name not in holder:
            names[position], holder[name] = name, position
    living = set(names)
    for position, element in enumerate(elements):
        if position in living or element.interface is None:
            continue
        name = names[position] = element.interface
        if name and holder.setdefault(name, position) != position:
            errors.setdefault(position, _taken(element, "interface", name, elements[holder[name]]))
    kept = set(recorded.values()) if unidentified else set()
    free = (name for name in _AUTOMATIC if name not in holder and name not in kept)
    for position, element in enumerate(elements):
        if position not in names:
            names[position] = next(free, "")
            if not names[position]:
                errors.setdefault(position, _exhausted(element))
    in_order = sorted(range(len(elements)), key=lambda position: (position not in living, position))
    _check_macs(elements, in_order, errors)
    _check_default_routes(elements, in_order, errors)
    return tuple(
        Named(
            selection=element,
            selection_id=selection_ids[position],
            ifname=names[position],
            error=errors.get(position),
            unidentified=position in unidentified,
        )
        for position, element in enumerate(elements)
    )


def _identify(
    elements: Sequence[AnySelection], recorded: Mapping[SelectionId, str]
) -> tuple[list[SelectionId], frozenset[int]]:
    """The identity of each element, and the positions of those that are not identified for sure.

    Such a one takes the place of the first living attachment that it may mean and that no other element asks for.
    """
    seen: Counter[tuple[NetworkRef, str]] = Counter()
    found = []
    for element in elements:
        kind = (element.network, element.interface or "")
        found.append(SelectionId(network=kind[0], interface=kind[1], ordinal=seen[kind]))
        seen[kind] += 1
    unidentified = frozenset(
        position
        for position, element in enumerate(elements)
        if isinstance(element, Malformed) and not element.certain and found[position] not in recorded
    )
    unclaimed = sorted(recorded.keys() - set(found), key=lambda each: (len(recorded[each]), recorded[each]))
    for position in sorted(unidentified):
        match = next(_candidates(elements[position], unclaimed), None)
        if match is not None:
            unclaimed.remove(match)
            found[position] = match
    return found, unidentified


def _candidates(element: AnySelection, unclaimed: Sequence[SelectionId]) -> Iterator[SelectionId]:
    """Those that do not contradict what could be read."""
    assert isinstance(element, Malformed)
    for each in unclaimed:
        if element.names_network and element.network != each.network:
            continue
        if element.interface and element.interface != each.interface:
            continue
        yield each


def _check_macs(elements: Sequence[AnySelection], in_order: Sequence[int], errors: dict[int, SecnetError]) -> None:
    holder: dict[str, int] = {}
    for position in in_order:
        element = elements[position]
        if element.mac is None or (position in errors and isinstance(element, Selection)):
            continue
        if holder.setdefault(element.mac, position) != position:
            errors.setdefault(position, _taken(element, "mac", element.mac, elements[holder[element.mac]]))


def _check_default_routes(
    elements: Sequence[AnySelection], in_order: Sequence[int], errors: dict[int, SecnetError]
) -> None:
    carriers = [
        position
        for position in in_order
        if position not in errors and getattr(elements[position], "default_route", None) is not None
    ]
    for position in carriers[1:]:
        errors[position] = annotation_error(
            f"default-route stands in more than one element (also in $[{elements[carriers[0]].index}])",
            "keep it in the one network that is to carry the default route",
            elements[position].index,
            "default-route",
        )


def _taken(element: AnySelection, key: str, value: str, first: AnySelection) -> Conflict:
    return Conflict(
        f"{key} {value} is already used by the Pod's network {first.network} ($[{first.index}])",
        hint=f"ask for another {key}, or leave it out to get one",
        subject=f"annotation {NETWORKS_ANNOTATION}",
        path=f"$[{element.index}].{key}",
    )


def _exhausted(element: AnySelection) -> Conflict:
    return Conflict(
        f"no interface name from {_AUTOMATIC[0]} to {_AUTOMATIC[-1]} is left",
        hint="ask for an interface name of your own, or for fewer networks",
        subject=f"annotation {NETWORKS_ANNOTATION}",
        path=f"$[{element.index}]",
    )
