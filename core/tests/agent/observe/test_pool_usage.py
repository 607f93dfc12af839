"""The use of IPPools: how often it is read, and what stands while it cannot be."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from secnet.agent.base.metrics import Sources
from secnet.agent.observe._pool_usage import PoolUsage, Usage, usage_of
from secnet.contract import ObjectNotFound, Unavailable


def test_pools_are_read_at_most_each_half_minute() -> None:
    now, asked = [0.0], []

    def read(name: str) -> dict[str, Any]:
        asked.append(name)
        return {"status": {"ipAddresses": [{}] * len(asked)}}

    usage = PoolUsage(Sources(pools=lambda: ["p", "p"], read_pool=read), patience=30, clock=lambda: now[0])
    assert usage.look() == {"p": Usage(used=1, total=None)}
    now[0] = 29
    assert usage.look()["p"].used == 1
    now[0] = 30
    assert usage.look()["p"].used == 2
    assert asked == ["p", "p"]
    usage.close()


def test_a_cluster_that_hangs_does_not_hold_whoever_looks() -> None:
    gate = threading.Event()

    def read(name: str) -> dict[str, Any]:
        gate.wait(30)
        return {}

    usage = PoolUsage(Sources(pools=lambda: ["p"], read_pool=read), patience=0.01)
    assert usage.look() == {}, "it does not wait for the answer"
    gate.set()
    usage.close()


def test_a_pool_keeps_its_last_value_while_the_cluster_is_away_and_goes_with_it() -> None:
    now, answers = [0.0], iter([{}, Unavailable("x"), ObjectNotFound("x")])

    def read(name: str) -> dict[str, Any]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    usage = PoolUsage(Sources(pools=lambda: ["p"], read_pool=read), patience=30, clock=lambda: now[0])
    known = {"p": Usage(used=0, total=None)}
    assert usage.look() == known
    now[0] = 40
    assert usage.look() == known
    now[0] = 80
    assert usage.look() == {}
    usage.close()


@pytest.mark.parametrize(
    ("ranges", "total"),
    [
        ([{"start": "10.0.0.1", "end": "10.0.0.9"}, {"cidr": "10.0.1.0/30"}], 13),
        ([{"start": "10.0.0.1"}], None),
        ([], None),
    ],
)
def test_the_size_of_a_pool_without_counters(ranges: list[dict[str, str]], total: int | None) -> None:
    pool = {"spec": {"ipRanges": ranges}, "status": {"ipAddresses": [{}, {}]}}
    assert usage_of(pool) == Usage(used=2, total=total)
