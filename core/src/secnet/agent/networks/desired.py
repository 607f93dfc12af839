"""What one Pod's annotation wants of one sandbox, compared with what the records say is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from secnet.contract import NetworkRef, PodRef

from ..model.network import NetworkConfig
from ..model.pod import NETWORKS_ANNOTATION, pod_ref
from ..model.record import Record
from ..model.sandbox import Sandbox
from ..model.selection import Named, Selection
from ..model.work import Changes
from ..plugins.registry import Registry
from ._diff import diff
from .annotation import parse_networks
from .nad_cache import NadCache
from .names import assign_names
from .requests import build_work

__all__ = ["DesiredNetworks", "selections_of"]


def selections_of(pod: Mapping[str, Any]) -> tuple[Selection, ...]:
    """The Pod's selections in order. Raises InvalidConfig for an annotation that is malformed: then nothing of it counts."""
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
        self, selections: Iterable[Selection], records: Iterable[Record], sandbox: Sandbox | None
    ) -> tuple[Named, ...]:
        """Interface names: those of this sandbox's attachments stay (without a sandbox: those of all)."""
        recorded = {
            r.selection_id: r.key.ifname
            for r in records
            if sandbox is None or r.key.container_id == sandbox.container_id
        }
        return assign_names(tuple(selections), recorded)

    def changes(
        self, selections: Iterable[Selection], records: tuple[Record, ...], ref: PodRef, sandbox: Sandbox
    ) -> Changes:
        """What to remove, keep, refuse and attach."""
        find, called = self._nads.for_pods_of(ref.namespace), self._called(sandbox.container_id)

        def look_up(network: NetworkRef) -> NetworkConfig | None:
            config = find(network)
            return None if config is not None and config.cni_name in called else config

        outcomes = [
            build_work(named, ref, sandbox, look_up, self._registry)
            for named in self.named(selections, records, sandbox)
        ]
        return diff(records, outcomes, sandbox.container_id)
