"""One Pod after the other: everybody's turn comes, also behind one that never ends."""

from __future__ import annotations

from secnet.agent.base.queue import WorkQueue
from secnet.agent.model.pod import PodKey
from secnet.agent.pods._resync import ResyncScheduler, Round

A, B, C = (("default", name) for name in "abc")


def test_each_has_one_turn_and_then_the_round_is_over() -> None:
    turns = Round()
    assert turns.begin({B, A}) == (A, ())
    assert [turns.after(A), turns.after(B), turns.after(B)] == [B, None, None]
    assert turns.begin({A}) == (A, ())


def test_work_out_of_turn_moves_nothing_on() -> None:
    turns = Round()
    turns.begin({A, B})
    assert turns.after(C) is None
    assert turns.after(B) is None
    assert turns.after(A) == B


def test_who_was_kept_waiting_is_named_and_who_kept_them_comes_last() -> None:
    turns = Round()
    assert turns.begin({A, B, C}) == (A, ())
    first, late = turns.begin({A, B, C})
    assert (first, set(late)) == (A, {B, C})
    turns = Round()
    turns.begin({A})
    assert turns.begin({A, B, C}) == (B, ())
    assert [turns.after(B), turns.after(C), turns.after(A)] == [C, A, None]


def test_no_one_is_there() -> None:
    assert Round().begin(set()) == (None, ())


def test_a_pod_is_verified_once_for_each_time_that_it_is_added() -> None:
    scheduler = ResyncScheduler(WorkQueue(lambda key: None, 0))
    scheduler.all([A, A])
    assert [scheduler.take(A), scheduler.take(A), scheduler.take(B)] == [True, False, False]


class _Raced(set[PodKey]):
    """A thread adds the Pod right after a look whether it is there: no test can hit that moment with a real thread."""

    raced = False

    def __contains__(self, key: object) -> bool:
        found = super().__contains__(key)
        self.add(A)
        self.raced = True
        return found


def test_a_pod_that_is_added_while_its_turn_comes_is_verified_the_next_time() -> None:
    scheduler = ResyncScheduler(WorkQueue(lambda key: None, 0))
    scheduler._due = due = _Raced()
    assert not scheduler.take(A)
    assert scheduler.take(A) == due.raced
