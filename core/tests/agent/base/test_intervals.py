"""What is due now and then."""

from secnet.agent.base.intervals import IntervalLimiter


def test_each_key_is_due_at_once_and_then_when_its_time_has_passed() -> None:
    now = [100.0]
    occasions = IntervalLimiter(60, clock=lambda: now[0])
    assert occasions.is_due("a")
    assert not occasions.is_due("a")
    assert occasions.is_due("b")
    now[0] += 39
    assert not occasions.is_due("a")
    now[0] += 21
    assert occasions.is_due("a")


def test_a_key_that_was_forgotten_restarts() -> None:
    occasions = IntervalLimiter(60, clock=lambda: 0.0)
    assert occasions.is_due("a")
    occasions.forget("a")
    assert occasions.is_due("a")


def test_without_a_time_it_is_always_due() -> None:
    occasions = IntervalLimiter(0, clock=lambda: 0.0)
    assert [occasions.is_due("a") for _ in range(3)] == [True, True, True]
