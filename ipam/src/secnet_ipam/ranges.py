"""The allocator: a set of integers as sorted disjoint ranges, so that a /8 or an IPv6 /64 costs no more than a /30."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

__all__ = ["RangeSet"]


class RangeSet:
    """An immutable set of integers. `ranges` are inclusive `(first, last)` pairs in any order; overlaps are merged."""

    __slots__ = ("_first", "_last")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        for first, last in sorted(ranges):
            if self._last and first <= self._last[-1] + 1:
                self._last[-1] = max(self._last[-1], last)
            elif first <= last:
                self._first.append(first)
                self._last.append(last)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._first, self._last, strict=True)

    def __contains__(self, value: int) -> bool:
        index = bisect_right(self._first, value) - 1
        return index >= 0 and value <= self._last[index]

    def __bool__(self) -> bool:
        return bool(self._first)

    @property
    def size(self) -> int:
        """How many integers; `len` cannot say it beyond 2**63."""
        return sum(self._last) - sum(self._first) + len(self._first)

    @property
    def lowest(self) -> int | None:
        """The smallest member, None when empty."""
        return self._first[0] if self._first else None

    def without(self, values: Iterable[int]) -> RangeSet:
        """This set less some integers, members or not. Linear in the number of values and ranges, after sorting."""
        left = RangeSet()
        pairs = iter(self)
        current = next(pairs, None)
        for value in sorted(values):
            while current is not None and current[1] < value:
                left._append(current)
                current = next(pairs, None)
            if current is None:
                break
            if value >= current[0]:
                left._append((current[0], value - 1))
                current = (value + 1, current[1])
        while current is not None:
            left._append(current)
            current = next(pairs, None)
        return left

    def overlaps(self, other: RangeSet) -> bool:
        """Whether the two have a member in common."""
        return any(self._touches(first, last) for first, last in other)

    def _touches(self, first: int, last: int) -> bool:
        index = bisect_right(self._first, last) - 1
        return index >= 0 and self._last[index] >= first

    def _append(self, pair: tuple[int, int]) -> None:
        if pair[0] <= pair[1]:
            self._first.append(pair[0])
            self._last.append(pair[1])
