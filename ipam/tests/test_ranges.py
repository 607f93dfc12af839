"""The allocator against a naive set."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ipam_testing.pools import addresses, backend, call, pool, request
from ipam_testing.stores import MemoryStore
from secnet.contract import Busy
from secnet_ipam.ranges import RangeSet

POINT = st.integers(0, 80)
RANGES = st.lists(st.tuples(POINT, POINT), max_size=12)


def naive(ranges: list[tuple[int, int]]) -> set[int]:
    return {value for first, last in ranges for value in range(first, last + 1)}


@given(ranges=RANGES, values=st.lists(POINT, max_size=40))
def test_it_is_the_set_that_was_written(ranges: list[tuple[int, int]], values: list[int]) -> None:
    left, oracle = RangeSet(ranges).without(values), naive(ranges) - set(values)
    assert {value for first, last in left for value in range(first, last + 1)} == oracle
    assert [value in left for value in range(-1, 83)] == [value in oracle for value in range(-1, 83)]
    assert left.size == len(oracle)
    assert left.lowest == min(oracle, default=None)
    assert bool(left) == bool(oracle)


@given(ranges=RANGES, values=st.lists(POINT, max_size=40))
def test_its_ranges_are_sorted_and_disjoint(ranges: list[tuple[int, int]], values: list[int]) -> None:
    pairs = list(RangeSet(ranges).without(values))
    assert all(first <= last for first, last in pairs)
    assert all(one[1] < other[0] for one, other in pairwise(pairs))


@given(one=RANGES, other=RANGES)
def test_overlap_is_a_common_member(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    assert RangeSet(one).overlaps(RangeSet(other)) == bool(naive(one) & naive(other))


@given(
    ranges=st.lists(
        st.tuples(st.integers(1, 60), st.integers(0, 5)), min_size=1, max_size=6, unique_by=lambda r: r[0] // 8
    ),
    moves=st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=50),
)
def test_takes_and_gives_follow_a_naive_set(ranges: list[tuple[int, int]], moves: list[tuple[bool, int]]) -> None:
    """The backend on a store, against a set: what is free, who has what, and when it is full."""
    spans = [(start // 8 * 8 + 1, start // 8 * 8 + 1 + length) for start, length in ranges]
    store = MemoryStore(pool("p", [f"10.0.0.{a}-10.0.0.{b}" for a, b in spans], "10.0.0.200", 24))
    free, held, agent = naive(spans), dict[int, int](), backend(store)
    for take, who in moves:
        if not take:
            agent.release(request(f"c{who}", "p"), call())
            if who in held:
                free.add(held.pop(who))
        elif who not in held and not free:
            with pytest.raises(Busy):
                agent.allocate(request(f"c{who}", "p"), call())
        else:
            if who not in held:
                held[who] = min(free)
                free.remove(held[who])
            lease = agent.allocate(request(f"c{who}", "p"), call())
            assert lease.addresses[0].address == f"10.0.0.{held[who]}/24"
        assert sorted(addresses(store, "p")) == sorted(f"10.0.0.{value}" for value in held.values())


def test_size_does_not_matter() -> None:
    """Whatever counts through a /64 never gets here."""
    left = RangeSet([(0, 2**64 - 1)]).without(range(1, 1000))
    assert list(left) == [(0, 0), (1000, 2**64 - 1)]
    assert left.size == 2**64 - 999
    assert 2**63 in left
