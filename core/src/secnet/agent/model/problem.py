"""What is wrong with an object, a source of objects, or secnet itself."""

from __future__ import annotations

from dataclasses import dataclass

from secnet.contract import Retryable, one_line

__all__ = ["InternalError", "Problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is wrong with the source of the objects and not with one Pod's networks.

    source: what is at fault, such as a manifest file.
    since: when it was first seen, RFC 3339 in UTC.
    note: True when nothing is wrong and the reader might only want to know.
    """

    source: str
    message: str
    hint: str
    since: str
    note: bool = False

    def __str__(self) -> str:
        text = f"{self.source}: {self.message}"
        return one_line(f"{text}; {self.hint}" if self.hint else text)


class InternalError(Retryable):
    """A fault of secnet itself: it is tried again, and what it fails for is named."""

    def __init__(self, fault: Exception, *, subject: str = "") -> None:
        hint = "this is a fault in secnet: report it with the agent's log"
        super().__init__(f"{type(fault).__name__}: {fault}", hint=hint, subject=subject)
