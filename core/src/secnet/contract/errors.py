"""The error language shared by the core, the drivers and the IPAM backends.

Two questions classify every failure. May the world change by itself? Then it is `Retryable`, and the core tries again with
back-off. Does only a new input help? Then it is `Permanent`, and the core waits until the input changes. `Gone`, `Cancelled`,
`VerifyFailed` and `ContractViolation` stand beside the two. Drivers only classify: the retry policy lives in the core.

The class name is the stable CamelCase reason that Events, conditions, metrics and the documentation use: renaming a class is a
breaking change. A foreign exception is translated where it enters (`raise Busy(...) from exc`), never passed on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .identity import ObjectRef

__all__ = [
    "Busy",
    "Cancelled",
    "Conflict",
    "ContractViolation",
    "ErrorInfo",
    "Gone",
    "InvalidConfig",
    "MissingPrivilege",
    "NotReady",
    "ObjectNotFound",
    "Permanent",
    "Retryable",
    "SecnetError",
    "StoreConflict",
    "Timeout",
    "Unavailable",
    "Unsupported",
    "VerifyFailed",
    "one_line",
]


def one_line(text: str) -> str:
    """The text with everything escaped that could end its line, or act on a terminal: line feeds, control characters, direction
    marks. Names and messages come from others, who must not be able to forge a line of a log."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInfo:
    """An error as data, for reports, records and other processes. The fields are those of SecnetError."""

    reason: str
    message: str
    hint: str = ""
    subject: str = ""
    path: str = ""
    retryable: bool = False
    waits_for: tuple[ObjectRef, ...] = ()

    def __str__(self) -> str:
        """One line: `reason: subject: path: message; hint`."""
        where = ": ".join(part for part in (self.subject, self.path) if part)
        text = f"{self.reason}: {where + ': ' if where else ''}{self.message}"
        return one_line(f"{text}; {self.hint}" if self.hint else text)


class SecnetError(Exception):
    """Base of every error that crosses a boundary of secnet.

    message: what is wrong, in one sentence without a full stop.
    hint: what to do next, addressed to the reader of the Event or the log line.
    subject: the object at fault, such as `NetworkAttachmentDefinition default/vlan100`.
    path: where in the object, as a JSON path such as `$.ipam.ippools[1]`.
    waits_for: the objects whose creation, change or deletion may end this failure, such as a full pool or a missing NAD. The
    core retries at such an event, also where the error is permanent; it never reads the message for that. Empty: it retries by
    time alone if the error is retryable, and at a new input.
    """

    retryable: ClassVar[bool] = False

    def __init__(
        self, message: str, *, hint: str = "", subject: str = "", path: str = "", waits_for: tuple[ObjectRef, ...] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.subject = subject
        self.path = path
        self.waits_for = waits_for

    @property
    def reason(self) -> str:
        """The stable CamelCase name of this kind of failure."""
        return type(self).__name__

    @property
    def info(self) -> ErrorInfo:
        """This error as data."""
        return ErrorInfo(
            reason=self.reason,
            message=self.message,
            hint=self.hint,
            subject=self.subject,
            path=self.path,
            retryable=self.retryable,
            waits_for=self.waits_for,
        )

    def __str__(self) -> str:
        return str(self.info)


class Retryable(SecnetError):
    """The world may change by itself: the core tries again with back-off."""

    retryable = True


class NotReady(Retryable):
    """Something this needs does not exist yet: a bridge, an uplink, a pool, a device."""


class ObjectNotFound(NotReady):
    """An object of the cluster (NAD, IPPool, Pod) does not exist, or not yet."""


class Busy(Retryable):
    """Something exclusive is in use or on its way back: a device, a lock, a full pool."""


class StoreConflict(Busy):
    """The object changed since it was read: read it again and repeat the change."""


class Timeout(Retryable):
    """The deadline passed. What was asked may or may not have happened: read back before deciding."""


class Unavailable(Retryable):
    """A service does not answer: OVSDB, the API server, the container runtime, the kubelet."""


class Permanent(SecnetError):
    """Only a new input helps: the core waits for the Pod, the NAD or the configuration to change."""


class InvalidConfig(Permanent):
    """An annotation, NAD, IPPool, node configuration or manifest does not say something valid."""


class Unsupported(Permanent):
    """What is asked for is valid, but this driver, backend or host cannot do it."""


class MissingPrivilege(Permanent):
    """The kernel or a service refuses the agent: a capability, a read-only mount, a socket's mode."""


class Conflict(Permanent):
    """Two requests exclude each other, or an object of another owner has the place of ours."""


class Gone(SecnetError):
    """The Pod or its network namespace vanished: stop, and clean up what was begun."""


class Cancelled(SecnetError):
    """The caller withdrew the work: clean up what was begun."""


class VerifyFailed(Retryable):
    """What was written does not read back as written."""


class ContractViolation(SecnetError):
    """A plugin broke its contract; the message names the distribution to blame."""
