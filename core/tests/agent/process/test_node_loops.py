"""The rounds over the node: when they come, and that none of them ends a loop. What they ask is played."""

from __future__ import annotations

import queue
from contextlib import ExitStack
from typing import Any

import pytest
from secnet.agent.process import _node_loops
from secnet.agent.process._background import Background
from secnet.agent.process._node_loops import NodeLoop, PreflightLoop
from secnet.contract import Call, NotReady

HOUR = 3600.0


class Rounds:
    """In the place of what is asked: each round waits for its answer, so that a test sees every one. None raises."""

    def __init__(self) -> None:
        self.asked: queue.Queue[float] = queue.Queue()
        self.answers: queue.Queue[bool | None] = queue.Queue()

    def reconcile(self, call: Call) -> bool:
        self.asked.put(call.remaining())
        return self.look()

    def look(self) -> bool:
        answer = self.answers.get(timeout=30)
        if answer is None:
            raise NotReady("not yet")
        return answer


@pytest.fixture
def rounds() -> Rounds:
    return Rounds()


def test_the_node_is_reconciled_again_when_woken_and_after_a_failure(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patched: the time until the next try, which is a second."""
    monkeypatch.setattr(_node_loops, "_RETRY_SECONDS", (0.01, 0.01))
    background = Background(())
    node: Any = rounds
    loop = NodeLoop(background, node, HOUR)
    with ExitStack() as stack:
        background.spawn("node_loop", loop.run, stack)
        stack.callback(loop.wake)
        stack.callback(background.stop.set)
        rounds.answers.put(None)
        assert rounds.asked.get(timeout=30) > 0
        assert loop.first_round.wait(30)
        rounds.answers.put(False)
        rounds.asked.get(timeout=30)
        rounds.answers.put(True)
        rounds.asked.get(timeout=30)
        assert rounds.asked.empty()
        loop.wake()
        rounds.asked.get(timeout=30)
        rounds.answers.put(True)
    assert background.beats.late() == []


def test_all_is_asked_again_while_one_has_no_answer(rounds: Rounds, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patched: the time until the next try, which is a second."""
    monkeypatch.setattr(_node_loops, "_RETRY_SECONDS", (0.01, 0.01))
    background, other = Background(()), Rounds()
    loop = PreflightLoop(background, (rounds.look, other.look), HOUR)
    with ExitStack() as stack:
        background.spawn("preflight_loop", loop.run, stack)
        stack.callback(background.stop.set)
        for first, second in ((True, None), (False, True), (True, True)):
            rounds.answers.put(first)
            other.answers.put(second)
        assert loop.first_round.wait(30)
        # Both answered: the next round is an hour away.
        while not (rounds.answers.empty() and other.answers.empty()):
            background.stop.wait(0.01)
    assert rounds.answers.empty()
