"""A dependency that hangs, a deadline that passes, work that is withdrawn: the call ends, and detach cleans up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from secnet.contract import Call, Cancelled, Retryable, SecnetError

from ..cases import Stall
from .lab import DriverLab, DriverTests, unchanged

__all__ = ["Deadlines"]

_DEADLINE_SECONDS = 1.0
_CANCEL_AFTER_SECONDS = 0.3
_GRACE_SECONDS = 10.0
"""How much later than asked a call may end; generous, as it only separates an end from a hang."""


class Deadlines(DriverTests):
    """Attach and detach, as they can take long, and what only looks, as it goes on all the time."""

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
        """It may succeed without the dependency; if not, it says so, as the record is dropped after a success."""
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        attachment = lab.attach(driver, pod)
        error = _stalled(lab, stall, lambda: driver.detach(attachment, lab.call(seconds=_DEADLINE_SECONDS)))
        assert error is None or isinstance(error, Retryable), f"detach during a stall ended with {error!r}"
        if error is None:
            lab.settled(before, "after detach during a stall, which said that all is done", pod)
        driver.detach(attachment, lab.call())
        unchanged(before, lab.picture(pod), "after the stall, and another detach")

    def test_what_looks_during_a_stall_ends_with_the_deadline(self, lab: DriverLab, stall: Stall) -> None:
        """With a value or an error. A probe gets no deadline, and must have one of its own."""
        driver, pod = lab.driver(), lab.pod()
        attachment = lab.attach(driver, pod)

        def call() -> Call:
            return lab.call(seconds=_DEADLINE_SECONDS)

        looks: dict[str, Callable[[], object]] = {
            "probe": driver.probe,
            "plan": lambda: driver.plan(attachment.request, call()),
            "admit": lambda: driver.admit(attachment, call()),
            "check": lambda: driver.check(attachment, call()),
            "inventory": lambda: driver.inventory(call()),
            "reconcile_node": lambda: driver.reconcile_node(lab.context.config, call()),
            "observe_node": lambda: driver.observe_node(call()),
            "doctor": lambda: driver.doctor(call()),
            "metrics": lambda: driver.metrics(call()),
        }
        ended = _all_stalled(lab, stall, looks)
        hanging = [name for name in looks if name not in ended]
        assert not hanging, f"{', '.join(hanging)}: goes on {_GRACE_SECONDS:.0f} s after it was to end"
        raised = {name: error for name, error in ended.items() if not isinstance(error, SecnetError | None)}
        assert not raised, f"errors that are none of the contract's: {raised!r}"
        driver.detach(attachment, lab.call())

    def test_a_deadline_that_passed_leaves_nothing_after_detach(self, lab: DriverLab) -> None:
        _try_ended(lab, lambda: lab.call(seconds=-1.0))

    def test_withdrawn_work_leaves_nothing_after_detach(self, lab: DriverLab) -> None:
        withdrawn = threading.Event()
        withdrawn.set()
        _try_ended(lab, lambda: lab.call(cancel=withdrawn))


def _stalled(lab: DriverLab, stall: Stall, call: Callable[[], object]) -> BaseException | None:
    """Make the call while the dependency hangs: what it raised. It must end before the stall does."""
    ended = _all_stalled(lab, stall, {"the call": call})
    assert ended, f"the call goes on {_GRACE_SECONDS:.0f} s after it was to end"
    return ended["the call"]


def _all_stalled(
    lab: DriverLab, stall: Stall, calls: Mapping[str, Callable[[], object]]
) -> dict[str, BaseException | None]:
    """Make calls at once while the dependency hangs: what each raised that ended before the stall did."""
    ended: dict[str, BaseException | None] = {}

    def run(name: str, call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as exc:
            ended[name] = exc
        else:
            ended[name] = None

    # In threads: a call that nothing ends would else hold up the end of the stall, and so itself, for ever.
    threads = [threading.Thread(target=run, args=item, daemon=True) for item in calls.items()]
    limit = time.monotonic() + _DEADLINE_SECONDS + _GRACE_SECONDS
    with stall.how(lab.host):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(limit - time.monotonic(), 0.0))
        found = dict(ended)
    for thread in threads:
        thread.join(_GRACE_SECONDS)
    return found


def _try_ended(lab: DriverLab, ended: Callable[[], Call]) -> None:
    """Plan, attach and detach with a call that is at its end already: they may raise or have finished."""
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
    driver.attach(attachment, lab.call())
    with suppress(Cancelled, Retryable):
        driver.detach(attachment, ended())
        unchanged(before, lab.picture(pod), "after detach by a call that had ended, which said that all is done")
    driver.detach(attachment, lab.call())
    unchanged(before, lab.picture(pod), "after another detach")
