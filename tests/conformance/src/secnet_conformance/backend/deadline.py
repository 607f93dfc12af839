"""A call ends when its time is over, and what it began can be taken back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from secnet.contract import Call, Cancelled, IPAMBackend, IpamRequest, Retryable, SecnetError

from ..cases import Stall
from ..suite import applies
from .lab import BackendLab, BackendTests, allocating, info_of, unchanged
from .stores import Ahead

__all__ = ["Deadline"]

_SECONDS = 0.5
_HANG = 15.0
"""Beyond the deadline: only a call that hangs takes so long."""


class Deadline(BackendTests):
    """Nobody waits for ever."""

    group = "deadlines"

    def test_an_expired_deadline_leaves_nothing_after_release(self, lab: BackendLab) -> None:
        before, request = lab.picture(), lab.request()
        with suppress(SecnetError):
            lab.backend().allocate(request, lab.call(seconds=-1))
        lab.release(request)
        unchanged(before, lab.picture(), "after release")

    def test_a_withdrawn_call_leaves_nothing_after_release(self, lab: BackendLab) -> None:
        before, request, call = lab.picture(), lab.request(), lab.call()
        call.cancel.set()
        with suppress(SecnetError):
            lab.backend().allocate(request, call)
        lab.release(request)
        unchanged(before, lab.picture(), "after release")

    @applies(allocating)
    def test_what_hangs_ends_with_the_deadline(self, lab: BackendLab, stall: Stall) -> None:
        before, request, backend = lab.picture(), lab.request(), lab.backend()
        with stall.how(lab.host):
            error = _ended(backend, request, lab.call(seconds=_SECONDS))
        assert isinstance(error, Retryable), f"while it hangs allocate must end as Retryable, not with {error!r}"
        lab.release(request)
        unchanged(before, lab.picture(), "after release")

    @applies(allocating)
    def test_what_hangs_ends_when_the_call_is_withdrawn(self, lab: BackendLab, stall: Stall) -> None:
        before, request, backend, call = lab.picture(), lab.request(), lab.backend(), lab.call(seconds=_HANG)
        with stall.how(lab.host):
            error = _ended(backend, request, call, lambda: call.cancel.set())
        assert isinstance(error, Cancelled | Retryable), f"withdrawn while it hangs: {error!r}"
        lab.release(request)
        unchanged(before, lab.picture(), "after release")

    @applies(lambda case: allocating(case) or ("" if info_of(case).kinds else "it declares no kinds"))
    def test_a_store_where_others_are_always_faster_ends_with_the_deadline(self, lab: BackendLab) -> None:
        before, request, store = lab.picture(), lab.request(), Ahead(lab.host.objects)
        error = _ended(lab.backend(store), request, lab.call(seconds=_SECONDS))
        assert store.refused, "it never wrote"
        assert isinstance(error, Retryable), f"each write met a conflict, and allocate ended with {error!r}"
        store.tidy()
        lab.release(request)
        unchanged(before, lab.picture(), "after release")


def _ended(
    backend: IPAMBackend, request: IpamRequest, call: Call, meanwhile: Callable[[], object] = lambda: None
) -> BaseException | None:
    """How an allocation ends that is in difficulties. Fails if it does not end."""
    outcome: list[BaseException | None] = []

    def work() -> None:
        try:
            backend.allocate(request, call)
        except BaseException as exc:
            outcome.append(exc)
        else:
            outcome.append(None)

    # A daemon, so that a call that hangs for ever does not keep the whole run from ending.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    meanwhile()
    thread.join(_SECONDS + _HANG)
    assert outcome, f"allocate did not end within {_SECONDS + _HANG:.0f} s, whatever its deadline"
    return outcome[0]
