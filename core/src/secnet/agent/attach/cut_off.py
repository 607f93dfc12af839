"""Interfaces that are as they were attached, and cut off by the state of the node: an uplink without carrier, a dead switch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping

from secnet.contract import AttachmentId, ComponentState, ErrorInfo, NodeComponent, NodeObservation

from ..model.report import DEGRADED

__all__ = ["CutOffInterfaces"]

_GRACE_SECONDS = 5.0
_HINT = (
    "nothing is to be done at the Pod: its interface works again when this part of the node does; see `secnet status`"
)

Component = tuple[str, str, str]
"""Network type, kind and name."""


class CutOffInterfaces:
    """What the drivers' observations say of living interfaces. Thread-safe.

    A restart of a switch cuts all Pods off for a moment, which is no news: an interface counts as cut off when its component has
    been down for five seconds.

    on_change: called with the interfaces for which the answer of `error_of` changed.
    """

    def __init__(
        self,
        on_change: Callable[[Collection[AttachmentId]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_change = on_change
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[Component, float] = {}
        self._errors: dict[str, Mapping[AttachmentId, ErrorInfo]] = {}

    def note(self, network_type: str, observation: NodeObservation) -> bool:
        """Take what a driver saw last. True if it is to look again soon, because a component has been down for a moment only."""
        now, waiting = self._clock(), False
        errors: dict[AttachmentId, ErrorInfo] = {}
        with self._lock:
            down = {(network_type, each.kind, each.name): each for each in observation.components if each.stranded}
            for gone in [key for key in self._since if key[0] == network_type and key not in down]:
                del self._since[gone]
            for key, component in down.items():
                if now - self._since.setdefault(key, now) < _GRACE_SECONDS:
                    waiting = True
                    continue
                for attachment in component.stranded:
                    errors.setdefault(attachment, _error(component))
            before, self._errors[network_type] = self._errors.get(network_type, {}), errors
        changed = {key for key in {*before, *errors} if before.get(key) != errors.get(key)}
        if changed:
            self._on_change(changed)
        return waiting

    def error_of(self, key: AttachmentId) -> ErrorInfo | None:
        """Why an interface is cut off; None if it is not."""
        with self._lock:
            return next((errors[key] for errors in self._errors.values() if key in errors), None)


def _error(component: NodeComponent) -> ErrorInfo:
    state = "" if component.state is ComponentState.DEGRADED else f" is {component.state.lower()}"
    message = f"cut off: {component.kind} {component.name}{state}"
    return ErrorInfo(
        reason=DEGRADED, message=f"{message}: {component.message}" if component.message else message, hint=_HINT
    )
