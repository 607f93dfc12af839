"""A driver's view of its part of the node: what its attachments stand on, and how each of it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .codec import freeze
from .identity import AttachmentId

__all__ = ["ComponentState", "NodeComponent", "NodeObservation"]


class ComponentState(StrEnum):
    """How a component is.

    UP: it does its work. DEGRADED: it works, and not as configured or not at full strength. DOWN: what stands on it has no
    traffic. UNKNOWN: it could not be found out.
    """

    UP = "Up"
    DEGRADED = "Degraded"
    DOWN = "Down"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeComponent:
    """One thing of the node that attachments of a driver stand on: a bridge, an uplink, a card, a service.

    kind, name: together its identity within the driver; kind is a word such as `bridge` or `uplink`.
    message: why it is not UP, in one sentence; empty if it is.
    facts: JSON-like and steady, such as MTU or speed. No counters and no times: a change of a fact is an event.
    stranded: the attachments of the call that are cut off by the state of this component. If that lasts for some seconds, the
    core shows their interfaces as Degraded, with this message.
    """

    kind: str
    name: str
    state: ComponentState
    message: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    stranded: tuple[AttachmentId, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", freeze(self.facts))

    def __str__(self) -> str:
        """One line: `kind name: state: message`."""
        text = f"{self.kind} {self.name}: {self.state}" + (f": {self.message}" if self.message else "")
        count = len(self.stranded)
        return text + (f"; {count} interface{'' if count == 1 else 's'} cut off by it" if count else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeObservation:
    """What `NetworkDriver.observe_node` saw, in an order that stays: equal observations mean that nothing changed."""

    components: tuple[NodeComponent, ...] = ()
