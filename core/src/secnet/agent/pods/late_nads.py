"""NADs that the watch has not reported yet: a Pod and its NAD are created together, and a watch may be broken unnoticed."""

from __future__ import annotations

import logging

from secnet.contract import ObjectNotFound

from ..cluster.interface import Cluster
from ..networks.nad_cache import NadCache

__all__ = ["LateNads"]

_log = logging.getLogger(__name__)

_KIND = "NetworkAttachmentDefinition"


class LateNads:
    """Asks the source of the objects itself for what the cache lacks. Thread-safe."""

    def __init__(self, cluster: Cluster, nads: NadCache) -> None:
        self._cluster = cluster
        self._nads = nads

    def take(self, error: ObjectNotFound) -> bool:
        """Whether one of the NADs that the error waits for exists after all; it is in the cache then.

        Raises Unavailable where the source does not answer: then it is not known that there is none.
        """
        found = False
        for ref in error.waits_for:
            if ref.kind != _KIND:
                continue
            try:
                nad = self._cluster.get(ref.kind, ref.name, ref.namespace)
            except ObjectNotFound:
                continue
            _log.info("%s %s/%s exists, and the watch has not reported it yet", ref.kind, ref.namespace, ref.name)
            self._nads.update(nad)
            found = True
        return found
