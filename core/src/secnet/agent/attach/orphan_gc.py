"""Garbage collection of orphans: what carries our owner tag but has no record (rule R6 of docs/architecture.md).

Records are written before acts, so this happens only when the run directory was lost (a reboot, a deletion by hand). Absence
from the journal is never proof of death: an object is an orphan only if its netns is gone and no live sandbox claims it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from secnet.contract import Attachment, AttachmentId, AttachRequest, Call, SecnetError

from ..base.locks import KeyLocks
from ..base.logs import attachment_log
from ..model.pod import PodKey
from ..sandboxes.monitor import lives
from ..state.journal import Journal
from .pipeline import Pipeline
from .plugin_calls import Plugins

__all__ = ["OrphanGarbageCollector"]

_log = logging.getLogger(__name__)


class OrphanGarbageCollector:
    """Sweeps each network type once before its first attach, and all types again periodically. Thread-safe.

    Who attaches holds its Pod (the queue), then the network type (here), then what the attachment takes alone (the pipeline), in
    this order. The network type is let go before the pipeline is asked: a detach that takes long must not keep those waiting that
    want another device. An orphan whose device is in use waits for the next run: its holder may never release it.

    sandboxes: the container id of every Pod of this node now, None for a Pod whose sandbox is unknown.
    """

    def __init__(
        self,
        *,
        plugins: Plugins,
        pipeline: Pipeline,
        journal: Journal,
        sandboxes: Callable[[], Mapping[PodKey, str | None]],
    ) -> None:
        self._plugins = plugins
        self._pipeline = pipeline
        self._journal = journal
        self._sandboxes = sandboxes
        self._locks = KeyLocks()  # by network type: one that hangs stops no other, and no caller past its deadline
        self._swept: set[str] = set()
        self._current: set[str] = set()  # whose last look succeeded
        self._unrecorded: dict[str, dict[AttachmentId, Attachment]] = {}  # by network type

    def before_attach(self, request: AttachRequest, call: Call) -> None:
        """Make sure nothing unrecorded stands where `request` will go; what does is detached by the driver first.

        The caller holds its Pod in the queue, and no lock of the pipeline.
        """
        with self._locks.hold((request.network_type,), call):
            swept = request.network_type in self._swept
            orphans = () if swept else self._look(request.network_type, call)
        self._remove_orphans(orphans, call)
        for leftover in self._all_unrecorded():
            if _in_the_way(leftover, request):
                call.log.warning(
                    "removing the unrecorded %s of an earlier agent from this Pod", leftover.request.ifname
                )
                self._remove(leftover, call, wait=True)

    def collect(self, network_types: Iterable[str], call: Call) -> None:
        """Collect the garbage of all types; one that fails does not stop the others."""
        for network_type in network_types:
            try:
                with self._locks.hold((network_type,), call):
                    orphans = self._look(network_type, call)
                self._remove_orphans(orphans, call)
            except SecnetError as exc:
                _log.debug("the garbage collection of network type %s did not finish: %s", network_type, exc)

    def has_looked_at(self, network_types: Iterable[str]) -> bool:
        """Whether of each type the last run knows what stands on this node; before it, `has_found` says little."""
        return self._current.issuperset(network_types)

    def has_found(self, key: AttachmentId) -> bool:
        """Whether the last run found something unrecorded of this attachment that is still there."""
        return any(key in by_key for by_key in tuple(self._unrecorded.values()))

    def _look(self, network_type: str, call: Call) -> tuple[Attachment, ...]:
        """Learn what of this type has no record. Returns those of it whose namespace is gone."""
        self._current.discard(network_type)
        known = {record.key for record in self._journal.records()}
        inventory = self._plugins.driver(network_type).inventory(call)
        claimed = {container for container in self._sandboxes().values() if container}
        found = (owned.attachment for owned in inventory.owned)
        unrecorded = {each.key: each for each in found if each.key not in known and self._journal.get(each.key) is None}
        self._unrecorded[network_type] = unrecorded
        orphans = [
            each
            for key, each in unrecorded.items()
            if not lives(each.request.netns) and key.container_id not in claimed
        ]
        recorded = {name for record in self._journal.records() for name in record.attachment.names.values()}
        for foreign in inventory.foreign:
            if foreign.name in recorded:
                continue  # half-made, and about to be finished or removed
            _log.warning("%s %s is in the way and not ours: %s", foreign.kind, foreign.name, foreign.message)
        self._swept.add(network_type)
        self._current.add(network_type)
        return tuple(orphans)

    def _remove_orphans(self, orphans: Iterable[Attachment], call: Call) -> None:
        """One that cannot be removed yet keeps neither the others nor an attach waiting: the next run tries it again."""
        for orphan in orphans:
            call.checkpoint()
            log = attachment_log(orphan.request)
            log.warning(
                "removing an orphan of network type %s, whose network namespace is gone", orphan.request.network_type
            )
            try:
                self._remove(orphan, call, wait=False)
            except SecnetError as exc:
                log.warning("the orphan stays, and is tried again: %s", exc, extra={"reason": exc.reason})

    def _remove(self, found: Attachment, call: Call, *, wait: bool) -> None:
        """Have it detached. What has a record by now, or whose device has, is no concern of ours until the next look."""
        if not self._pipeline.detach_unrecorded(found, call, wait=wait):
            call.log.info("%s stays: it, or what it took alone, has a record by now", found.key)
        self._unrecorded.get(found.request.network_type, {}).pop(found.key, None)

    def _all_unrecorded(self) -> tuple[Attachment, ...]:
        return tuple(each for by_key in tuple(self._unrecorded.values()) for each in tuple(by_key.values()))


def _in_the_way(found: Attachment, request: AttachRequest) -> bool:
    """The same interface, or one of an earlier sandbox in the same namespace, which belongs to this Pod now."""
    a, b = found.request.netns, request.netns
    same = (a.device, a.inode, a.cookie) == (b.device, b.inode, b.cookie)
    return found.key == request.key or (same and found.key.container_id != request.container_id)
