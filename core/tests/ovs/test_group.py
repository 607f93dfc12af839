"""Changes that meet share a transaction. The transaction is replaced here: a real server cannot be made to fail on cue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from ovsdbapp import exceptions
from secnet.contract import Conflict
from secnet.ovs.group import GroupCommit

pytestmark = pytest.mark.unit

Make = Callable[[Any], Any]


class _Server:
    """Carries commands out; a command is a function that returns its result or raises."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def run(self, makes: Sequence[Make], limit: float) -> list[Any]:
        self.batches.append(len(makes))
        self.entered.set()
        assert self.gate.wait(10)
        return [make(None) for make in makes]


def _in_threads(group: GroupCommit, makes: Sequence[Make]) -> tuple[list[threading.Thread], dict[int, Any]]:
    outcomes: dict[int, Any] = {}

    def one(number: int, make: Make) -> None:
        try:
            outcomes[number] = group.commit(make, 10)
        except Exception as exc:
            outcomes[number] = exc

    threads = [threading.Thread(target=one, args=item) for item in enumerate(makes)]
    for thread in threads:
        thread.start()
    return threads, outcomes


def _refuse(_: Any) -> Any:
    raise Conflict("not ours")


def _meet(server: _Server, group: GroupCommit, makes: Sequence[Make]) -> dict[int, Any]:
    """All but the first queue up while the first is under way."""
    server.gate.clear()
    first, outcomes = _in_threads(group, [lambda _: "first"])
    assert server.entered.wait(10)
    rest, later = _in_threads(group, makes)
    while True:
        with group._guard:
            if len(group._queue) == len(makes):
                break
    server.gate.set()
    for thread in [*first, *rest]:
        thread.join(10)
    assert outcomes == {0: "first"}
    return later


def test_what_queues_up_shares_one_transaction() -> None:
    server = _Server()
    later = _meet(server, GroupCommit(server.run), [lambda _, n=n: n for n in range(7)])
    assert later == {n: n for n in range(7)}
    assert server.batches == [1, 7]


def test_a_refused_one_does_not_take_the_others_down() -> None:
    server = _Server()
    later = _meet(server, GroupCommit(server.run), [lambda _: "a", _refuse, lambda _: "b"])
    assert (later[0], later[2]) == ("a", "b")
    assert isinstance(later[1], Conflict)


def test_one_alone_gets_its_error_and_the_next_is_served() -> None:
    server = _Server()
    group = GroupCommit(server.run)
    with pytest.raises(Conflict):
        group.commit(_refuse, 10)
    assert group.commit(lambda _: 1, 10) == 1


def test_a_change_whose_turn_never_comes_is_withdrawn() -> None:
    server = _Server()
    group = GroupCommit(server.run)
    server.gate.clear()
    threads, _ = _in_threads(group, [lambda _: "first"])
    assert server.entered.wait(10)
    happened = []
    with pytest.raises(exceptions.TimeoutException):
        group.commit(lambda _: happened.append(1), 0.01)
    server.gate.set()
    threads[0].join(10)
    assert group.commit(lambda _: 2, 10) == 2
    assert happened == []
