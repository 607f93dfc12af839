"""The periodic work over all attachments and leases of the node: resync, renewal, garbage collection."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from ..cluster.interface import SourceTraits
from ..config.settings import Settings
from ..plugins.registry import Registry
from ..state.presence import Presence
from ._background import Background
from ._jobs import Jobs
from ._wiring import Components

__all__ = ["ResyncLoop"]


class ResyncLoop:
    """Renews leases, collects orphans and stale addresses at start and then, with a check of every attachment, periodically."""

    def __init__(
        self,
        background: Background,
        components: Components,
        settings: Settings,
        registry: Registry,
        traits: SourceTraits,
        presence: Presence,
    ) -> None:
        self._presence = presence
        self._background = background
        self._components = components
        self._interval = settings.check_interval
        self._patience = settings.check_interval + settings.attach_timeout + 600
        self._types, self._backends = sorted(registry.drivers), sorted(registry.backends)
        self._free_reads = traits.free_reads
        self._jobs = Jobs(background, components.plugins.calls)

    def run(self) -> None:
        """Until the agent stops."""
        due, resync_at = 0.0, 0.0
        guard, components = self._background.guard, self._components
        while not self._background.stop.wait(due):
            self._beat()
            started = time.monotonic()
            if started >= resync_at:
                if resync_at:
                    guard(components.controller.resync_in_turn, default=None)
                self._job("single networks", partial(components.attacher.resync, self._beat))
                self._collect_garbage()
                self._presence.note(resynced=True)
                resync_at = max(started + self._interval, time.monotonic() + 1.0)
            due = max(1.0, min(resync_at - time.monotonic(), self._look_through_leases()))

    def _beat(self) -> None:
        self._background.beats.beat("resync_loop", self._patience)

    def _job(self, name: str, job: Callable[[], object]) -> None:
        """What may hang in a plugin; see `Jobs`. Each has the loop's patience for itself."""
        self._beat()
        self._jobs.run(name, job)

    def _collect_garbage(self) -> None:
        components, seconds = self._components, self._interval
        if components.own_node.is_another():
            return
        call = self._background.call
        self._job("renewal of leases", lambda: components.lease_renewal.renew_due(call(seconds)))
        for network_type in self._types:
            self._job(f"orphans of {network_type}", partial(self._collect_orphans, network_type))
        if self._free_reads:
            self._job("leases", lambda: components.lease_gc.collect(self._backends, call(seconds)))

    def _collect_orphans(self, network_type: str) -> None:
        self._components.orphan_gc.collect([network_type], self._background.call(self._interval))

    def _look_through_leases(self) -> float:
        """In rounds of their own where it costs requests to an API server. Returns in how many seconds it is due again."""
        if self._free_reads:
            return self._interval
        if self._components.own_node.is_another():
            return 0.0  # soon: readiness waits for the first look
        rounds = self._components.lease_rounds
        self._job("leases", lambda: rounds.run(self._backends, self._background.call(self._interval)))
        return rounds.due_in()
