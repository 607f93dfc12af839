"""A Pod's sandbox, and the interface of the sources that find it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from secnet.contract import NetnsRef

__all__ = ["Sandbox", "SandboxSource"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """One life of a Pod's network namespace.

    asked: whether the Pod had the annotation of networks when the runtime made the sandbox; False where that is unknown.
    """

    container_id: str
    netns: NetnsRef
    asked: bool = False


class SandboxSource(Protocol):
    """Finds the sandbox of a Pod."""

    def resolve(self, pod: Mapping[str, Any], *, now: bool = True) -> Sandbox:
        """The Pod's sandbox. Raises NotReady while there is none, Permanent for one it must not have.

        now: False to answer like `fingerprint` for a sandbox that was resolved before, without much work.
        """
        ...

    def fingerprint(self, pod: Mapping[str, Any]) -> Hashable:
        """Something that differs whenever `resolve` may answer differently, found without much work."""
        ...

    def container_of(self, pod: Mapping[str, Any]) -> str | None:
        """The id of the Pod's sandbox, found without much work; None where it is unknown. Never raises."""
        ...

    def has_ended(self, container_id: str, *, now: bool = True) -> bool:
        """Whether a sandbox has ended whose Pod's object is gone; False where it is unknown. Never raises.

        now: False to answer like `fingerprint`, without much work.
        """
        ...
