"""A dependency that hangs, a deadline that passes, work that is withdrawn: the call ends, and detach cleans up."""

from __future__ import annotations

import threading
from collections.abc import Callable

from secnet.contract import Call, Cancelled, Retryable

from ..cases import Stall
from .lab import DriverLab, DriverTests, unchanged

__all__ = ["Deadlines"]

_DEADLINE_SECONDS = 1.0
_CANCEL_AFTER_SECONDS = 0.3
_GRACE_SECONDS = 10.0
"""How much later than asked a call may end; generous, as it only tells an end from a hang."""


class Deadlines(DriverTests):
    """Attach and detach, as they can take long."""

    group = "deadlines"

    def test_a_stall_ends_with_the_deadline(self, lab: DriverLab, stall: Stall) -> None:
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        attachment = lab.plan(driver, lab.request(pod))
        error = _stalled(lab, stall, lambda: driver.attach(attachment, lab.call(seconds=_DEADLINE_SECONDS)))
        assert isinstance(error, Retryable), f"attach during a stall ended with {error!r}: is it no dependency?"
        driver.detach(attachment, lab.call())
        unchanged(before, lab.picture(pod), "after the stall, and detach")

    def test_cancelling_ends_a_stall(self, lab: DriverLab, stall: Stall) -> None:
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        attachment = lab.plan(driver, lab.request(pod))
        cancel = threading.Event()
        timer = threading.Timer(_CANCEL_AFTER_SECONDS, cancel.set)

        def attach() -> None:
            timer.start()
            driver.attach(attachment, lab.call(seconds=60.0, cancel=cancel))

        try:
            error = _stalled(lab, stall, attach)
        finally:
            timer.cancel()
            timer.join()
        assert isinstance(error, Cancelled | Retryable), f"attach that was withdrawn ended with {error!r}"
        driver.detach(attachment, lab.call())
        unchanged(before, lab.picture(pod), "after the stall, and detach")

    def test_detach_during_a_stall_ends_with_the_deadline(self, lab: DriverLab, stall: Stall) -> None:
        """It may succeed without the dependency; if not, it must be possible afterwards."""
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        attachment = lab.attach(driver, pod)
        error = _stalled(lab, stall, lambda: driver.detach(attachment, lab.call(seconds=_DEADLINE_SECONDS)))
        assert error is None or isinstance(error, Retryable), f"detach during a stall ended with {error!r}"
        driver.detach(attachment, lab.call())
        unchanged(before, lab.picture(pod), "after the stall, and another detach")

    def test_a_deadline_that_passed_leaves_nothing_after_detach(self, lab: DriverLab) -> None:
        _try_ended(lab, lambda: lab.call(seconds=-1.0))

    def test_withdrawn_work_leaves_nothing_after_detach(self, lab: DriverLab) -> None:
        withdrawn = threading.Event()
        withdrawn.set()
        _try_ended(lab, lambda: lab.call(cancel=withdrawn))


def _stalled(lab: DriverLab, stall: Stall, call: Callable[[], object]) -> BaseException | None:
    """Make the call while the dependency hangs: what it raised. It must end before the stall does."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as exc:
            raised.append(exc)

    # In a thread: a call that nothing ends would else hold up the end of the stall, and so itself, for ever.
    thread = threading.Thread(target=run, daemon=True)
    with stall.how(lab.host):
        thread.start()
        thread.join(_DEADLINE_SECONDS + _GRACE_SECONDS)
        hangs = thread.is_alive()
    thread.join(_GRACE_SECONDS)
    assert not hangs, f"the call goes on {_GRACE_SECONDS:.0f} s after it was to end"
    return raised[0] if raised else None


def _try_ended(lab: DriverLab, ended: Callable[[], Call]) -> None:
    """Plan and attach with a call that is at its end already: they may raise or have finished."""
    driver, pod = lab.driver(), lab.pod()
    before = lab.picture(pod)
    attachment = lab.plan(driver, lab.request(pod))
    for act in (lambda: driver.plan(attachment.request, ended()), lambda: driver.attach(attachment, ended())):
        try:
            act()
        except (Cancelled, Retryable):
            continue
    driver.detach(attachment, lab.call())
    unchanged(before, lab.picture(pod), "after detach")
