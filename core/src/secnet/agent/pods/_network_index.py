"""Which Pods ask for a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secnet.contract import InvalidConfig, NetworkRef

from ..model.limits import DEFAULT_LIMITS, Limits
from ..model.pod import NETWORKS_ANNOTATION, PodKey
from ..networks.desired import selections_of

__all__ = ["NetworkIndex", "networks_of"]

_Entry = tuple[str, frozenset[NetworkRef]]


class NetworkIndex:
    """An index of Pods by the networks in their annotations. Not thread-safe: for the handler of one watch.

    An annotation is parsed when a NAD changes and not before, and once only.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._known: dict[PodKey, _Entry] = {}

    def asking_for(self, network: NetworkRef, pods: Mapping[PodKey, Mapping[str, Any]]) -> list[PodKey]:
        """The Pods, of all that exist, whose annotation names this network. One that is malformed names none."""
        self._known = {key: networks_of(pod, self._known.get(key), self._limits) for key, pod in pods.items()}
        return [key for key, (_, networks) in self._known.items() if network in networks]


def networks_of(pod: Mapping[str, Any], known: _Entry | None, limits: Limits = DEFAULT_LIMITS) -> _Entry:
    """The annotation of a Pod and the networks that it names. known: what this returned before, which saves the parsing."""
    text = (pod["metadata"].get("annotations") or {}).get(NETWORKS_ANNOTATION) or ""
    return known if known is not None and known[0] == text else (text, _networks(pod, limits) if text else frozenset())


def _networks(pod: Mapping[str, Any], limits: Limits) -> frozenset[NetworkRef]:
    try:
        return frozenset(selection.network for selection in selections_of(pod, limits))
    except InvalidConfig:
        return frozenset()
