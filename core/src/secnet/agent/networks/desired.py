"""The desired networks of a Pod in one sandbox, by its annotation and the NADs, compared with the records of what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from secnet.contract import NetworkRef, PodRef, Unsupported

from ..model.network import NetworkConfig
from ..model.pod import NETWORKS_ANNOTATION, pod_ref
from ..model.record import Record
from ..model.sandbox import Sandbox
from ..model.selection import AnySelection, Named, SelectionId
from ..model.work import Changes, Outcome, Rejected, Work
from ..plugins.registry import Registry
from .annotation import parse_networks
from .nad_cache import NadCache
from .naming import assign_names
from .requests import build_work

__all__ = ["DesiredNetworks", "diff", "selections_of"]


def selections_of(pod: Mapping[str, Any]) -> tuple[AnySelection, ...]:
    """The elements of the Pod's annotation, in order. Raises InvalidConfig for a text that is no list: nothing of it counts."""
    annotations = pod["metadata"].get("annotations") or {}
    return tuple(parse_networks(annotations.get(NETWORKS_ANNOTATION) or "", pod_ref(pod).namespace))


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
        find, called = self._nads.for_pods_of(ref.namespace), self._called(sandbox.container_id)

        def look_up(network: NetworkRef) -> NetworkConfig | None:
            config = find(network)
            if config is None or config.cni_name in called:
                return None
            if config.chain:
                raise _chained(config)
            return config

        outcomes = [
            build_work(named, ref, sandbox, look_up, self._registry)
            for named in self.named(selections, records, sandbox)
        ]
        return diff(records, outcomes, sandbox.container_id)


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
