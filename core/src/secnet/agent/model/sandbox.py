"""A Pod's sandbox, and the interface of the sources that find it."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from secnet.contract import NetnsRef

__all__ = ["LONGEST_CONTAINER_ID", "Sandbox", "SandboxSource", "is_container_id"]

LONGEST_CONTAINER_ID = 128
"""Characters. Runtimes give 64; with an owner tag and an interface name it must fit into the alias of a link."""

_CONTAINER_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")


def is_container_id(text: str) -> bool:
    """Whether this may be the id of a sandbox: by the characters that CNI allows, and no longer than can be worked with."""
    return len(text) <= LONGEST_CONTAINER_ID and _CONTAINER_ID.fullmatch(text) is not None


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
