"""The calls into plugins that are under way, and what follows when one does not return by its deadline.

Nothing ends a thread. So what a caller holds for a call (a Pod, the locks of an attachment) stays held until the call returns,
and a call that nothing is held for is left behind in a thread of its own. Which of the two a method is, `guarded` says.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from secnet.contract import AttachmentId, Call, NetworkDriver, NetworkRef, PodRef, Retryable

from .plugin import LoadedPlugin

__all__ = ["GRACE_SECONDS", "MOST_STUCK", "PluginCalls", "PluginStuck", "StuckCall", "Subject"]

T = TypeVar("T")

GRACE_SECONDS = 3.0
"""How much later than asked a call may end. The contract says about a second; a busy host may need more."""

MOST_STUCK = 4
"""A plugin with so many stuck calls that hold a Pod each is off until one of them returns."""

_NO_DEADLINE_SECONDS = 60.0  # for a call whose context has no deadline
_POLL_SECONDS = 0.2  # a cancellation wakes no thread that waits for another one
_RESTART = (
    "it is left alone until it returns; restart the agent, which detaches what it left, and report it to its authors"
)


class PluginStuck(Retryable):
    """A call into a plugin does not return, and what is asked for has to wait for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The attachment that a call is about. pod: None where a caller of the CNI plugin named none. network: None where only
    the record knows it."""

    key: AttachmentId
    pod: PodRef | None = None
    network: NetworkRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckCall:
    """A call that is beyond its deadline.

    number: tells it from every other call of this process. kind: `network_type` or `ipam_type`. allowed: seconds that it had.
    label: see LoadedPlugin. last_step: of the changes that it has begun; empty for none. subject: None where the call is about no
    attachment.
    """

    number: int
    kind: str
    name: str
    distribution: str
    label: str
    method: str
    allowed: float
    last_step: str = ""
    subject: Subject | None = None

    @property
    def what(self) -> str:
        """The plugin as users know it: `network type vlan`."""
        return _what(self.kind, self.name)

    @property
    def error(self) -> PluginStuck:
        """What keeps everything waiting that this call is for."""
        return PluginStuck(str(self), hint=_RESTART)

    def __str__(self) -> str:
        step = f"its last step was {self.last_step}" if self.last_step else "it has begun no step"
        return f"{self.label} has not returned from {self.method}, which had {round(self.allowed, 1):g} s; {step}"


@dataclass(slots=True, kw_only=True, eq=False)
class _UnderWay:
    """One call, for the thread that makes it and for those that look."""

    number: int
    plugin: LoadedPlugin[Any]
    method: str
    held: bool
    subject: Subject | None
    started: float
    deadline: float
    cancel: threading.Event | None
    cancelled: float | None = None
    last_step: str = ""

    def is_overdue(self, now: float) -> bool:
        if self.cancel is not None and self.cancelled is None and self.cancel.is_set():
            self.cancelled = now
        end = self.deadline if self.cancelled is None else min(self.deadline, self.cancelled)
        return now > end + GRACE_SECONDS

    @property
    def kind(self) -> str:
        return "network_type" if issubclass(self.plugin.cls, NetworkDriver) else "ipam_type"

    def stuck(self) -> StuckCall:
        return StuckCall(
            number=self.number,
            kind=self.kind,
            name=self.plugin.name,
            distribution=self.plugin.distribution,
            label=self.plugin.label,
            method=self.method,
            allowed=self.deadline - self.started,
            last_step=self.last_step,
            subject=self.subject,
        )


class PluginCalls:
    """Of one process. Thread-safe. As a StepObserver it learns the last step of each call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[int, _UnderWay] = {}  # by thread
        self._count = 0

    # Calls

    def held(
        self, plugin: LoadedPlugin[Any], method: str, function: Callable[[], T], call: Call, subject: Subject | None
    ) -> T:
        """Call in the caller's own thread: what it holds stays held until the call returns, however late.

        Raises PluginStuck without a call where the plugin has `MOST_STUCK` such calls that do not return.
        """
        with self._under_way(self._new(plugin, method, _seconds(call), call.cancel, subject, held=True)):
            return function()

    def apart(self, plugin: LoadedPlugin[Any], method: str, function: Callable[[], T], limit: Call | float) -> T:
        """Call in a thread of its own, which is left behind when it does not return in time. limit: seconds, or a call's own.

        Raises PluginStuck then, and as long as that call has not returned: one thread at most stays behind for each method.
        """
        seconds, cancel = (limit, None) if isinstance(limit, float) else (_seconds(limit), limit.cancel)
        made = self._new(plugin, method, seconds, cancel, None, held=False)
        outcome: list[Callable[[], T]] = []

        def run() -> None:
            with self._under_way(made):
                outcome.append(_outcome(function))

        thread = threading.Thread(target=run, name=f"{plugin.name}-{method}", daemon=True)
        thread.start()
        while not outcome or thread.is_alive():
            thread.join(_POLL_SECONDS)
            if not outcome and made.is_overdue(time.monotonic()):
                raise made.stuck().error
        return outcome[0]()

    # What is known of them

    def stuck(self) -> tuple[StuckCall, ...]:
        """The calls that are beyond their deadline now, the oldest first."""
        now = time.monotonic()
        return tuple(each.stuck() for each in self._all() if each.is_overdue(now))

    def off(self) -> dict[str, str]:
        """The plugins that are off, as users know them (`StuckCall.what`), each with a sentence that says why."""
        now = time.monotonic()
        stuck: dict[str, list[_UnderWay]] = {}
        for each in self._all():
            if each.held and each.is_overdue(now):
                stuck.setdefault(_what(each.kind, each.plugin.name), []).append(each)
        return {what: _why_off(calls) for what, calls in stuck.items() if len(calls) >= MOST_STUCK}

    def is_stuck(self, thread: threading.Thread) -> bool:
        """Whether this thread is in a call that is beyond its deadline."""
        with self._lock:
            found = self._calls.get(thread.ident or 0)
        return found is not None and found.is_overdue(time.monotonic())

    # Steps

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        """See StepObserver."""
        found = self._calls.get(threading.get_ident())
        if found is not None:
            found.last_step = name

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        """See StepObserver."""

    # Pieces

    def _new(
        self,
        plugin: LoadedPlugin[Any],
        method: str,
        seconds: float,
        cancel: threading.Event | None,
        subject: Subject | None,
        *,
        held: bool,
    ) -> _UnderWay:
        """Refuse the call, or write down when it must have returned."""
        now = time.monotonic()
        with self._lock:
            self._count += 1
            number = self._count
            overdue = [each for each in self._calls.values() if each.plugin is plugin and each.is_overdue(now)]
        if held and sum(each.held for each in overdue) >= MOST_STUCK:
            raise PluginStuck(_why_off([each for each in overdue if each.held]), hint=_RESTART)
        earlier = next((each for each in overdue if not held and each.method == method), None)
        if earlier is not None:
            raise earlier.stuck().error
        return _UnderWay(
            number=number,
            plugin=plugin,
            method=method,
            held=held,
            subject=subject,
            started=now,
            deadline=now + seconds,
            cancel=cancel,
        )

    @contextmanager
    def _under_way(self, made: _UnderWay) -> Iterator[None]:
        """A plugin may call the core, which calls a plugin: the outer call is found again behind the inner one."""
        thread = threading.get_ident()
        with self._lock:
            outer = self._calls.get(thread)
            self._calls[thread] = made
        try:
            yield
        finally:
            with self._lock:
                if outer is None:
                    del self._calls[thread]
                else:
                    self._calls[thread] = outer

    def _all(self) -> list[_UnderWay]:
        with self._lock:
            return sorted(self._calls.values(), key=lambda each: each.number)


def _what(kind: str, name: str) -> str:
    return f"{'network type' if kind == 'network_type' else 'IPAM type'} {name}"


def _why_off(calls: list[_UnderWay]) -> str:
    plugin, methods = calls[0].plugin, ", ".join(sorted({each.method for each in calls}))
    return f"{plugin.label} is off: {len(calls)} calls of it have not returned ({methods})"


def _seconds(call: Call) -> float:
    return _NO_DEADLINE_SECONDS if call.deadline is None else max(0.0, call.deadline - time.monotonic())


def _outcome(function: Callable[[], T]) -> Callable[[], T]:
    """What the function returned or raised, to be done again in another thread."""
    try:
        value = function()
    except BaseException as exc:
        error = exc

        def fail() -> T:
            raise error

        return fail
    return lambda: value
