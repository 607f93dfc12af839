"""The desired networks of a Pod in one sandbox, by its annotation and the NADs, compared with the records of what is there.

The interface names come first, by position in the annotation. They do not depend on which NADs exist or are valid, nor on which
elements are malformed: a network that fails now and succeeds later never shifts the names of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from secnet.contract import Conflict, NetworkRef, PodRef, SecnetError, Unsupported

from ..model.limits import DEFAULT_LIMITS, Limits
from ..model.network import NetworkConfig
from ..model.pod import NETWORKS_ANNOTATION, pod_ref
from ..model.record import Record
from ..model.sandbox import Sandbox
from ..model.selection import AnySelection, Malformed, Named, Selection, SelectionId
from ..model.work import Changes, Outcome, Rejected, Work
from ..plugins.registry import Registry
from .annotation import annotation_error, parse_networks
from .nad_cache import NadCache
from .requests import build_work

__all__ = ["DesiredNetworks", "assign_names", "diff", "selections_of"]

_AUTOMATIC = tuple(f"eth{number}" for number in range(1, 101))


def selections_of(pod: Mapping[str, Any], limits: Limits = DEFAULT_LIMITS) -> tuple[AnySelection, ...]:
    """The elements of the Pod's annotation, in order.

    Raises InvalidConfig for a text that is no list, or beyond the limits: nothing of it counts.
    """
    annotations = pod["metadata"].get("annotations") or {}
    return parse_networks(annotations.get(NETWORKS_ANNOTATION) or "", pod_ref(pod).namespace, limits)


class DesiredNetworks:
    """Selections into work, by the NADs as they are now. Stateless beside them.

    called: the networks, by the name in their configuration, that callers of our CNI plugin made in a sandbox. Those are theirs,
    whatever the NADs say: an annotation that asks for one of them has been answered.
    """

    def __init__(
        self, nads: NadCache, registry: Registry, *, called: Callable[[str], frozenset[str]] = lambda _: frozenset()
    ) -> None:
        self._nads = nads
        self._registry = registry
        self._called = called

    def selections(self, pod: Mapping[str, Any]) -> tuple[AnySelection, ...]:
        """See `selections_of`."""
        return selections_of(pod, self._nads.limits)

    def named(
        self, selections: Iterable[AnySelection], records: Iterable[Record], sandbox: Sandbox | None
    ) -> tuple[Named, ...]:
        """Interface names: those of this sandbox's attachments stay (without a sandbox: those of all)."""
        recorded = {
            r.selection_id: r.key.ifname
            for r in records
            if sandbox is None or r.key.container_id == sandbox.container_id
        }
        return assign_names(tuple(selections), recorded)

    def changes(
        self, selections: Iterable[AnySelection], records: tuple[Record, ...], ref: PodRef, sandbox: Sandbox
    ) -> Changes:
        """What to remove, keep, refuse and attach."""
        find, by_callers = self._nads.for_pods_of(ref.namespace), self._called(sandbox.container_id)
        called: list[str] = []
        uncalled: list[str] = []

        def look_up(network: NetworkRef) -> NetworkConfig | None:
            config = find(network)
            if config is None:
                return None
            if config.cni_name in by_callers:
                called.append(str(network))
                return None
            if self._nads.is_left_to_multus(config):
                uncalled.append(str(network))
                return None
            if config.chain:
                raise _chained(config)
            return config

        outcomes = [
            build_work(named, ref, sandbox, look_up, self._registry)
            for named in self.named(selections, records, sandbox)
        ]
        changes = diff(records, outcomes, sandbox.container_id)
        return replace(changes, called=tuple(called), uncalled=tuple(uncalled))


def _chained(config: NetworkConfig) -> Unsupported:
    return Unsupported(
        f"the config is a chain with {', '.join(config.chain)}, and only a caller of CNI plugins such as Multus calls those",
        hint="write our config alone, without plugins, or have Multus call the chain",
        subject=f"NetworkAttachmentDefinition {config.network}",
        path="$.plugins",
    )


def diff(records: Iterable[Record], outcomes: Iterable[Outcome], container_id: str) -> Changes:
    """Decide by element: NAD, explicit interface, else ordinal.

    A record of another sandbox, a half-built one and one that no selection asks for any more are removed. A living attachment
    stays when its NAD was edited, deleted or became invalid, and when the new options cannot be granted; it is replaced when
    the annotation's mac, ips or other attachment-specific keys changed. While an element cannot be identified, any of them may
    be what it means: no living attachment is removed or replaced.
    """
    outcomes = tuple(outcomes)
    order = tuple(outcome.selection_id for outcome in outcomes)
    unclear = next((each for each in outcomes if isinstance(each, Rejected) and each.unidentified), None)
    living: dict[SelectionId, Record] = {}
    remove: list[Record] = []
    for record in records:
        adopted = record.living and record.key.container_id == container_id
        if adopted and record.selection_id not in living:
            living[record.selection_id] = record
        else:
            remove.append(record)
    keep: list[tuple[Record, Outcome]] = []
    attach: list[Work] = []
    rejected: list[Rejected] = []
    for outcome in outcomes:
        old = living.pop(outcome.selection_id, None)
        if old is not None and (unclear is not None or not _changed(old, outcome)):
            keep.append((old, unclear if unclear is not None and _changed(old, outcome) else outcome))
            continue
        if old is not None:
            remove.append(old)
        if isinstance(outcome, Work):
            attach.append(outcome)
        elif isinstance(outcome, Rejected):
            rejected.append(outcome)
    if unclear is None:
        remove.extend(living.values())
    else:
        keep.extend((record, unclear) for record in living.values())
        order += tuple(living)
    return Changes(keep=tuple(keep), remove=tuple(remove), attach=tuple(attach), rejected=tuple(rejected), order=order)


def _changed(old: Record, outcome: Outcome) -> bool:
    if not isinstance(outcome, Work):
        return False
    return outcome.attachment_options != old.attachment_options or outcome.request.ifname != old.key.ifname


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
