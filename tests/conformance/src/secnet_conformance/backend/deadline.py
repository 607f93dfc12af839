"""A call ends when its time is over, and what it began can be taken back. A release that reports success has released."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

from secnet.contract import Call, Cancelled, Retryable, SecnetError

from ..cases import Stall
from ..suite import applies
from .lab import BackendLab, BackendTests, allocating, info_of, unchanged
from .stores import Ahead, Refusing

__all__ = ["Deadline"]

_SECONDS = 0.5
_HANG = 15.0
"""Beyond the deadline: only a call that hangs takes so long."""


def _with_store(case: Any) -> str:
    return allocating(case) or ("" if info_of(case).kinds else "it declares no kinds")


class Deadline(BackendTests):
    """No call waits forever."""

    group = "deadlines"

    def test_an_expired_deadline_leaves_nothing_after_release(self, lab: BackendLab) -> None:
        before, request = lab.picture(), lab.request()
        with suppress(SecnetError):
            lab.backend().allocate(request, lab.call(seconds=-1))
        lab.release(request)
        unchanged(before, lab.picture(), "after release")

    def test_a_withdrawn_call_leaves_nothing_after_release(self, lab: BackendLab) -> None:
        before, request = lab.picture(), lab.request()
        with suppress(SecnetError):
            lab.backend().allocate(request, _withdrawn(lab))
        lab.release(request)
        unchanged(before, lab.picture(), "after release")

    @applies(allocating)
    def test_a_release_whose_call_is_over_releases_or_says_that_it_did_not(self, lab: BackendLab) -> None:
        """The agent forgets what was released."""
        for what, call in (("expired", lab.call(seconds=-1)), ("withdrawn", _withdrawn(lab))):
            before, request, backend = lab.picture(), lab.request(), lab.backend()
            lab.allocate(request)
            error = _ended(lambda: backend.release(request, call))  # noqa: B023, the call is over before the next round
            _released(lab, before, error, f"a release by a call that was {what}")
            lab.release(request)
            unchanged(before, lab.picture(), "after another release")

    @applies(_with_store)
    def test_a_release_that_the_store_refuses_says_so(self, lab: BackendLab) -> None:
        """Whether it cannot be reached at all or takes no writes."""
        for reads in (False, True):
            before, request, store = lab.picture(), lab.request(), Refusing(lab.host.objects, reads=reads)
            lab.allocate(request)
            backend = lab.backend(store)
            error = _ended(lambda: backend.release(request, lab.call(seconds=_SECONDS)))  # noqa: B023
            _released(lab, before, error, "a release that the store refused")
            assert store.asked, "it never asked the store"
            lab.release(request)
            unchanged(before, lab.picture(), "after another release")

    @applies(allocating)
    def test_what_hangs_ends_with_the_deadline(self, lab: BackendLab, stall: Stall) -> None:
        before, request, backend = lab.picture(), lab.request(), lab.backend()
        error = _ended(lambda: backend.allocate(request, lab.call(seconds=_SECONDS)), lab, stall)
        assert isinstance(error, Retryable), f"while it hangs allocate must end as Retryable, not with {error!r}"
        lab.release(request)
        unchanged(before, lab.picture(), "after release")

    @applies(allocating)
    def test_what_hangs_ends_when_the_call_is_withdrawn(self, lab: BackendLab, stall: Stall) -> None:
        before, request, backend, call = lab.picture(), lab.request(), lab.backend(), lab.call(seconds=_HANG)
        error = _ended(lambda: backend.allocate(request, call), lab, stall, call.cancel.set)
        assert isinstance(error, Cancelled | Retryable), f"withdrawn while it hangs: {error!r}"
        lab.release(request)
        unchanged(before, lab.picture(), "after release")

    @applies(allocating)
    def test_a_release_that_hangs_ends_with_the_deadline(self, lab: BackendLab, stall: Stall) -> None:
        """It may succeed without what hangs."""
        before, request, backend = lab.picture(), lab.request(), lab.backend()
        lab.allocate(request)
        error = _ended(lambda: backend.release(request, lab.call(seconds=_SECONDS)), lab, stall)
        _released(lab, before, error, "a release while it hangs")
        lab.release(request)
        unchanged(before, lab.picture(), "after another release")

    @applies(allocating)
    def test_looking_at_what_hangs_ends_with_the_deadline(self, lab: BackendLab, stall: Stall) -> None:
        """check and inventory may know without what hangs; what they say then must be true."""
        request, backend = lab.request(), lab.backend()
        lease, seen, listed = lab.allocate(request), [True], [True]

        def check() -> None:
            seen[:] = [backend.check(lease, request.config, lab.call(seconds=_SECONDS)).clean]

        def inventory() -> None:
            found = backend.inventory(lab.call(seconds=_SECONDS))
            listed[:] = [any(item.owner.container_id == request.owner.container_id for item in found)]

        for name, look in (("check", check), ("inventory", inventory)):
            error = _ended(look, lab, stall)
            assert error is None or isinstance(error, Retryable), f"{name} while it hangs ended with {error!r}"
        assert seen == [True], "check finds a fault in a lease because something hangs"
        assert listed == [True], "the inventory misses a lease because something hangs"
        lab.release(request)

    @applies(_with_store)
    def test_a_store_where_others_are_always_faster_ends_with_the_deadline(self, lab: BackendLab) -> None:
        before, request, store = lab.picture(), lab.request(), Ahead(lab.host.objects)
        backend = lab.backend(store)
        error = _ended(lambda: backend.allocate(request, lab.call(seconds=_SECONDS)), at_end=store.tidy)
        assert store.refused, "it never wrote"
        assert isinstance(error, Retryable), f"each write met a conflict, and allocate ended with {error!r}"
        lab.release(request)
        unchanged(before, lab.picture(), "after release")

    @applies(_with_store)
    def test_a_release_where_others_are_always_faster_ends_with_the_deadline(self, lab: BackendLab) -> None:
        before, request, store = lab.picture(), lab.request(), Ahead(lab.host.objects)
        lab.allocate(request)
        backend = lab.backend(store)
        error = _ended(lambda: backend.release(request, lab.call(seconds=_SECONDS)), at_end=store.tidy)
        assert store.refused, "it never wrote"
        assert isinstance(error, Retryable), f"each write met a conflict, and release ended with {error!r}"
        lab.release(request)
        unchanged(before, lab.picture(), "after another release")


def _withdrawn(lab: BackendLab) -> Call:
    call = lab.call()
    call.cancel.set()
    return call


def _released(lab: BackendLab, before: Any, error: BaseException | None, what: str) -> None:
    """It said that it could not, or nothing is left."""
    if error is None:
        unchanged(before, lab.picture(), f"{what} reports success")
    else:
        assert isinstance(error, Cancelled | Retryable), f"{what} ended with {error!r}"


def _ended(
    work: Callable[[], object],
    lab: BackendLab | None = None,
    stall: Stall | None = None,
    meanwhile: Callable[[], object] = lambda: None,
    at_end: Callable[[], object] = lambda: None,
) -> BaseException | None:
    """How a call ends that is in difficulties: while a stall lasts, or until `at_end`. Fails if it does not end before."""
    outcome: list[BaseException | None] = []

    def run() -> None:
        try:
            work()
        except BaseException as exc:
            outcome.append(exc)
        else:
            outcome.append(None)

    # A daemon, so that a call that hangs for ever does not keep the whole run from ending.
    thread = threading.Thread(target=run, daemon=True)
    with stall.how(lab.host) if lab and stall else nullcontext():
        thread.start()
        meanwhile()
        thread.join(_SECONDS + _HANG)
        hangs = thread.is_alive()
    at_end()
    thread.join(_HANG)
    assert not hangs, f"it did not end within {_SECONDS + _HANG:.0f} s, whatever its deadline"
    return outcome[0]
