"""What a plugin is given: the facts of the host once, and the context of each operation."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from .attachment import Attachment
from .codec import freeze
from .errors import Cancelled, Timeout

__all__ = ["Call", "HostContext", "StepObserver"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostContext:
    """Where a plugin works. Building one does no I/O; tests inject other roots here instead of patching globals.

    run_dir: a directory that dies with the kernel objects it names (tmpfs), shared with the core.
    state_dir: a directory that outlives the run directory, shared with the core; None where there is none. What is kept there
    about the kernel's objects must name the boot (`boot_id`) it is true for.
    owner_tag: the value that marks host objects as ours; two agents on one host have different tags.
    ovsdb: target of the OVSDB server, such as `unix:/var/run/openvswitch/db.sock`.
    config: this plugin's section of the node configuration (`drivers.TYPE` or `ipam.TYPE`), valid by its schema
    fragment; `{}` if there is none, which no schema has seen.
    """

    node_name: str
    run_dir: Path
    owner_tag: str = "secnet"
    sysfs_root: Path = Path("/sys")
    proc_root: Path = Path("/proc")
    ovsdb: str = "unix:/var/run/openvswitch/db.sock"
    config: Mapping[str, Any] = field(default_factory=dict)
    state_dir: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", freeze(self.config))


class StepObserver(Protocol):
    """Sees every change to the host. Metrics use it; tests inject a fault or a kill through it."""

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        """Called before the change; an exception raised here prevents it."""

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        """Called after the change succeeded; an exception raised here counts as a failure right after it."""


class Call:
    """The context of one operation of a plugin: deadline, cancellation, log, and the `step` around each change.

    deadline: a `time.monotonic()` value in seconds; None means no limit.
    awaited: whether the Pod's containers start only after this call. False where they may run already: too late for what a
    program must find done when it begins.
    attachments: for `reconcile_node` and `teardown_node`: every recorded attachment of the network type. What one of them needs
    stays, also while a part of it is missing on the host: it is repaired from its record.
    """

    def __init__(
        self,
        *,
        deadline: float | None = None,
        cancel: threading.Event | None = None,
        log: logging.Logger | logging.LoggerAdapter[Any] | None = None,
        observers: tuple[StepObserver, ...] = (),
        awaited: bool = True,
        attachments: tuple[Attachment, ...] = (),
    ) -> None:
        self.deadline = deadline
        self.awaited = awaited
        self.attachments = attachments
        self.cancel = cancel or threading.Event()
        self.log = log or logging.getLogger("secnet")
        self._observers = observers

    @classmethod
    def within(cls, seconds: float, **rest: Any) -> Call:
        """A call that may take this many seconds from now."""
        return cls(deadline=time.monotonic() + seconds, **rest)

    def about(self, attachments: tuple[Attachment, ...]) -> Call:
        """The same operation with these attachments."""
        return Call(
            deadline=self.deadline,
            cancel=self.cancel,
            log=self.log,
            observers=self._observers,
            awaited=self.awaited,
            attachments=attachments,
        )

    def undo(self, seconds: float) -> Call:
        """A call for taking back what this one began: seen by the same observers, but with a deadline of its own.

        What ended the work, its deadline or its cancellation, must not end the undoing.
        """
        return Call.within(seconds, log=self.log, observers=self._observers)

    def remaining(self, limit: float | None = None) -> float:
        """Seconds left, at most `limit`. Raises Timeout or Cancelled instead of returning nothing to wait with."""
        self.checkpoint()
        left = float("inf") if self.deadline is None else self.deadline - time.monotonic()
        return left if limit is None else min(left, limit)

    def checkpoint(self) -> None:
        """Raise Cancelled or Timeout when there is no reason to go on. Call it before anything that may take long."""
        if self.cancel.is_set():
            raise Cancelled("the work was withdrawn")
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise Timeout(
                "the deadline passed", hint="it is tried again; raise the attach timeout if the host is merely slow"
            )

    def sleep(self, seconds: float) -> None:
        """Sleep, but wake for cancellation and the deadline. Raises as `checkpoint` does."""
        self.cancel.wait(self.remaining(seconds))
        self.checkpoint()

    @contextmanager
    def step(self, name: str, **facts: Any) -> Iterator[None]:
        """Put this around each single change to the host or to a store. `name` is `noun.verb`, such as `veth.create`.

        A step does one thing that is atomic as seen from outside: a process may die before it or after it, and `detach`
        must cope with both. Facts are JSON-like and name the object changed.
        """
        for observer in self._observers:
            observer.before(name, facts)
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        self.log.debug("step %s %.1f ms", name, seconds * 1000, extra={"step": name, "facts": facts})
        for observer in self._observers:
            observer.after(name, facts, seconds)
