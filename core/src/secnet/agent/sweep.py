"""Find what carries our tag but has no record (ARCHITECTURE R6).

Records are written before acts, so this happens only when the run directory was lost (a reboot, a deletion by hand). Absence
from the journal is never proof of death: an object is an orphan only if its netns is gone and no live sandbox claims it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from secnet.contract import Attachment, AttachRequest, Call, Inventory, Key, SecnetError

from .journal import Journal
from .liveness import lives
from .locks import KeyLocks
from .logs import attachment_log
from .plugins import Plugins
from .pod_table import PodKey

__all__ = ["Sweeper"]

_log = logging.getLogger(__name__)


class Sweeper:
    """Sweeps each network type once before its first attach, and all types again periodically. Thread-safe.

    sandboxes: the container id of every Pod of this node now, None for a Pod whose sandbox cannot be told.
    """

    def __init__(
        self,
        *,
        plugins: Plugins,
        journal: Journal,
        sandboxes: Callable[[], Mapping[PodKey, str | None]],
    ) -> None:
        self._plugins = plugins
        self._journal = journal
        self._sandboxes = sandboxes
        self._locks = KeyLocks()  # by network type: one that hangs stops no other, and nobody past his deadline
        self._swept: set[str] = set()
        self._unrecorded: dict[Key, Attachment] = {}

    def before_attach(self, request: AttachRequest, call: Call) -> None:
        """Make sure nothing unrecorded stands where `request` will go; what does is detached by the driver first."""
        with self._locks.hold((request.network_type,), call):
            if request.network_type not in self._swept:
                self._sweep_type(request.network_type, call)
            leftovers = [a for a in list(self._unrecorded.values()) if _in_the_way(a, request)]
        for leftover in leftovers:
            call.log.warning("removing the unrecorded %s of an earlier agent from this Pod", leftover.request.ifname)
            self._plugins.drive(leftover.request.network_type, "detach", type(None), leftover, call)
            self._unrecorded.pop(leftover.key, None)

    def sweep(self, network_types: Iterable[str], call: Call) -> None:
        """Sweep all types; one that fails does not stop the others."""
        for network_type in network_types:
            try:
                with self._locks.hold((network_type,), call):
                    self._sweep_type(network_type, call)
            except SecnetError as exc:
                _log.debug("the inventory of network type %s is not available: %s", network_type, exc)

    def has_found(self, key: Key) -> bool:
        """Whether the last sweep found something unrecorded of this attachment, which still stands."""
        return key in self._unrecorded

    def _sweep_type(self, network_type: str, call: Call) -> None:
        known = {record.key for record in self._journal.records()}
        inventory = self._plugins.drive(network_type, "inventory", Inventory, call)
        claimed = {container for container in self._sandboxes().values() if container}
        self._unrecorded = {k: a for k, a in list(self._unrecorded.items()) if a.request.network_type != network_type}
        for owned in inventory.owned:
            key = owned.attachment.key
            if key in known or self._journal.get(key) is not None:
                continue
            self._unrecorded[key] = owned.attachment
            if not lives(owned.attachment.request.netns) and key.container_id not in claimed:
                log = attachment_log(owned.attachment.request)
                log.warning("removing an orphan of network type %s, whose network namespace is gone", network_type)
                self._plugins.drive(network_type, "detach", type(None), owned.attachment, call)
                del self._unrecorded[key]
        for foreign in inventory.foreign:
            _log.warning("%s %s is in the way and not ours: %s", foreign.kind, foreign.name, foreign.message)
        self._swept.add(network_type)


def _in_the_way(found: Attachment, request: AttachRequest) -> bool:
    """The same interface, or one of an earlier sandbox in the same namespace, which belongs to this Pod now."""
    a, b = found.request.netns, request.netns
    same = (a.device, a.inode, a.cookie) == (b.device, b.inode, b.cookie)
    return found.key == request.key or (same and found.key.container_id != request.container_id)
