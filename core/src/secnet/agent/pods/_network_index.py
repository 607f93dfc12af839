"""Which Pods ask for a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secnet.contract import InvalidConfig, NetworkRef

from ..model.limits import DEFAULT_LIMITS, Limits
from ..model.pod import NETWORKS_ANNOTATION, PodKey
from ..networks.desired import selections_of

__all__ = ["NetworkIndex"]


class NetworkIndex:
    """An index of Pods by the networks in their annotations. Not thread-safe: for the handler of one watch.

    An annotation is parsed when a NAD changes and not before, and once only.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._known: dict[PodKey, tuple[str, frozenset[NetworkRef]]] = {}

    def asking_for(self, network: NetworkRef, pods: Mapping[PodKey, Mapping[str, Any]]) -> list[PodKey]:
        """The Pods, of all that exist, whose annotation names this network. One that is malformed names none."""
        self._known = {key: self._entry(key, pod) for key, pod in pods.items()}
        return [key for key, (_, networks) in self._known.items() if network in networks]

    def _entry(self, key: PodKey, pod: Mapping[str, Any]) -> tuple[str, frozenset[NetworkRef]]:
        text = (pod["metadata"].get("annotations") or {}).get(NETWORKS_ANNOTATION) or ""
        known = self._known.get(key)
        return known if known is not None and known[0] == text else (text, self._networks(pod) if text else frozenset())

    def _networks(self, pod: Mapping[str, Any]) -> frozenset[NetworkRef]:
        try:
            return frozenset(selection.network for selection in selections_of(pod, self._limits))
        except InvalidConfig:
            return frozenset()
