"""Which Pods share workers: a network type whose driver takes for ever must not take those of the others."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator

from secnet.contract import NetworkRef

from ..model.pod import PodKey
from ..networks.nad_cache import NadCache
from ..sandboxes.pod_table import PodTable
from ..state.journal import Journal
from ._network_index import networks_of

__all__ = ["Lanes"]

_log = logging.getLogger(__name__)


class Lanes:
    """Asked for each Pod that is queued, by any thread."""

    def __init__(self, pods: PodTable, nads: NadCache, journal: Journal) -> None:
        self._pods = pods
        self._nads = nads
        self._journal = journal
        self._known: dict[PodKey, tuple[str, frozenset[NetworkRef]]] = {}

    def of(self, item: Hashable) -> Hashable:
        """The network types of a Pod, sorted: those of its records and those that its annotation asks for; () if that fails."""
        assert isinstance(item, tuple)
        try:
            return tuple(sorted(set(self._types((item[0], item[1])))))
        except Exception:  # no Pod may end a worker
            _log.exception("the network types of Pod %s/%s cannot be found out", item[0], item[1])
            return ()

    def _types(self, key: PodKey) -> Iterator[str]:
        for record in self._journal.of_pod(*key):
            yield record.network_type
        pod = self._pods.get(key)
        if pod is None:
            self._known.pop(key, None)
            return
        text, networks = self._known[key] = networks_of(pod, self._known.get(key))
        for network in networks if text else ():
            config = self._nads.known(network)
            if config is not None:
                yield config.network_type
