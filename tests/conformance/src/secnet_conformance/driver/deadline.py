"""A dependency that hangs, a deadline that passes, work that is withdrawn: the call ends, and detach cleans up."""

from __future__ import annotations

import threading
import time
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
        with stall.how(lab.host):
            _require_end(
                lambda: driver.attach(attachment, lab.call(seconds=_DEADLINE_SECONDS)),
                _DEADLINE_SECONDS,
                (Retryable,),
                "attach",
            )
        driver.detach(attachment, lab.call())
        unchanged(before, lab.picture(pod), "after the stall, and detach")

    def test_cancelling_ends_a_stall(self, lab: DriverLab, stall: Stall) -> None:
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        attachment = lab.plan(driver, lab.request(pod))
        cancel = threading.Event()
        timer = threading.Timer(_CANCEL_AFTER_SECONDS, cancel.set)
        with stall.how(lab.host):
            timer.start()
            try:
                _require_end(
                    lambda: driver.attach(attachment, lab.call(seconds=60.0, cancel=cancel)),
                    _CANCEL_AFTER_SECONDS,
                    (Cancelled, Retryable),
                    "attach",
                )
            finally:
                timer.cancel()
                timer.join()
        driver.detach(attachment, lab.call())
        unchanged(before, lab.picture(pod), "after the stall, and detach")

    def test_detach_during_a_stall_ends_with_the_deadline(self, lab: DriverLab, stall: Stall) -> None:
        """It may succeed without the dependency; if not, it must be possible afterwards."""
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        attachment = lab.attach(driver, pod)
        with stall.how(lab.host):
            _require_end(
                lambda: driver.detach(attachment, lab.call(seconds=_DEADLINE_SECONDS)),
                _DEADLINE_SECONDS,
                (Retryable,),
                "detach",
                may_succeed=True,
            )
        driver.detach(attachment, lab.call())
        unchanged(before, lab.picture(pod), "after the stall, and another detach")

    def test_a_deadline_that_passed_leaves_nothing_after_detach(self, lab: DriverLab) -> None:
        _try_ended(lab, lambda: lab.call(seconds=-1.0))

    def test_withdrawn_work_leaves_nothing_after_detach(self, lab: DriverLab) -> None:
        withdrawn = threading.Event()
        withdrawn.set()
        _try_ended(lab, lambda: lab.call(cancel=withdrawn))


def _require_end(
    call: Callable[[], object],
    seconds: float,
    expected: tuple[type[Exception], ...],
    what: str,
    *,
    may_succeed: bool = False,
) -> None:
    """The call ends by one of these errors, and not long after it was told to."""
    begin = time.monotonic()
    try:
        call()
    except expected:
        pass
    else:
        assert may_succeed, f"{what} succeeded while the dependency hung: is it no dependency?"
    took = time.monotonic() - begin
    assert took < seconds + _GRACE_SECONDS, f"{what} was to end after {seconds} s and took {took:.1f} s"


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
