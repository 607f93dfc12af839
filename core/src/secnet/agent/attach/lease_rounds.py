"""When an agent looks through the leases in the pools, so that all of them together look often and no API server notices.

A lease of a removed node is any agent's to find, and one list of all Pods finds all of them. Were every agent to list them once a
minute, the load would grow with the square of the nodes. So each takes its turn with a probability by its share of the leases,
or by that of one agent among all, if that is more: the shares add up to one, whatever the number of nodes and leases. An agent
that found a Pod missing itself looks again when the grace period is over.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable

from secnet.contract import Call

from .lease_gc import LeaseGarbageCollector

__all__ = ["LeaseRounds"]

_ROUND_SECONDS = 60.0  # at most; shortened by up to a third, so that agents that began together spread out
_OWN_SECONDS = 900.0  # at most between two looks at this node's own leases
_RETRY_SECONDS = 15.0
_LISTS = 3  # of all agents together in each round, on average; up to twice as many where the leases are on few nodes


class LeaseRounds:
    """One agent's rounds; for one thread. clock: monotonic seconds. chance: a random number from 0 to 1.

    begun: whether the first look is over, whatever came of it.
    """

    def __init__(
        self,
        lease_gc: LeaseGarbageCollector,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._lease_gc = lease_gc
        self._clock = clock
        self._chance = chance
        self._next = clock()
        self._own_due = clock()
        self._not_before = clock()
        self.begun = False
        self._turn = True  # the first look is a whole one

    def due_in(self) -> float:
        """Seconds until `run` has something to do; 0 when it has now."""
        now, ripe = self._clock(), self._lease_gc.ripe_in()
        return max(0.0, self._not_before - now, min(self._next - now, self._next - now if ripe is None else ripe))

    def run(self, ipam_types: Iterable[str], call: Call) -> None:
        """What is due now: often nothing, else a look through the leases, sometimes with a list of all Pods."""
        if self.due_in() > 0:
            return
        now, ripe = self._clock(), self._lease_gc.ripe_in()
        turn = False
        if now >= self._next:
            self._next = now + _ROUND_SECONDS * (2 + self._chance()) / 3
            turn = self._turn or self._chance() < self._probability()
        if not turn and ripe != 0.0 and now < self._own_due:
            return
        whole = self._lease_gc.collect(ipam_types, call, elsewhere=turn)
        self.begun = True
        if whole:
            self._own_due = now + _OWN_SECONDS * (2 + self._chance()) / 3
            self._turn = self._turn and not turn
        else:  # an API server is away: the look is made good
            self._not_before = now + _RETRY_SECONDS
            if turn:
                self._turn, self._next = True, self._not_before

    def _probability(self) -> float:
        """By leases or by heads, whichever is more: nodes that had most of the leases may be gone."""
        gc = self._lease_gc
        return _LISTS * max(gc.own / max(1, gc.total), 1 / max(1, gc.agents))
