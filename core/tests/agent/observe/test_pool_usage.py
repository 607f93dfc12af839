"""The use of pools: how often it is read, and what stands while it cannot be."""

from __future__ import annotations

import threading

from secnet.agent.base.metrics import Sources
from secnet.agent.observe._pool_usage import PoolUsageCache
from secnet.contract import PoolUsage, Unavailable


def used(number: int) -> tuple[PoolUsage, ...]:
    return (PoolUsage(pool="p", used=number),)


def test_pools_are_read_at_most_each_half_minute() -> None:
    now, asked = [0.0], []

    def read(ipam_type: str, cancel: threading.Event) -> tuple[PoolUsage, ...]:
        asked.append(ipam_type)
        return used(len(asked))

    usage = PoolUsageCache(Sources(ipam_types=lambda: {"a"}, pool_usage=read), patience=30, clock=lambda: now[0])
    assert usage.look() == {"a": used(1)}
    now[0] = 29
    assert usage.look() == {"a": used(1)}
    now[0] = 30
    assert usage.look() == {"a": used(2)}
    assert asked == ["a", "a"]
    usage.close()


def test_a_cluster_that_hangs_does_not_hold_whoever_looks() -> None:
    def read(ipam_type: str, cancel: threading.Event) -> tuple[PoolUsage, ...]:
        cancel.wait(30)
        return ()

    usage = PoolUsageCache(Sources(ipam_types=lambda: {"a"}, pool_usage=read), patience=0.01)
    assert usage.look() == {}, "it does not wait for the answer"
    usage.close()


def test_a_backend_keeps_its_last_values_while_the_cluster_is_away() -> None:
    now, answers = [0.0], iter([used(3), Unavailable("x"), ()])

    def read(ipam_type: str, cancel: threading.Event) -> tuple[PoolUsage, ...]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    usage = PoolUsageCache(Sources(ipam_types=lambda: {"a"}, pool_usage=read), patience=30, clock=lambda: now[0])
    for at, expected in ((0, used(3)), (40, used(3)), (80, ())):
        now[0] = at
        assert usage.look() == {"a": expected}
    usage.close()
