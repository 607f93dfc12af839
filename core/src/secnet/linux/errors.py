"""From the kernel's error numbers to the errors of the contract."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from secnet.contract import (
    Busy,
    Conflict,
    Gone,
    InvalidConfig,
    MissingPrivilege,
    NotReady,
    SecnetError,
    Timeout,
    Unavailable,
    Unsupported,
)

__all__ = ["ERRNO_TABLE", "Meaning", "from_errno", "translated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What an error number says about a failure, and what to do about it."""

    error: type[SecnetError]
    hint: str


_PRIVILEGE = Meaning(
    error=MissingPrivilege, hint="run the agent as root with CAP_NET_ADMIN, CAP_SYS_ADMIN and, for frames, CAP_NET_RAW"
)
_READ_ONLY = Meaning(
    error=MissingPrivilege, hint="the file system is read-only for the agent: give its container a writable mount of it"
)
_EXISTS = Meaning(error=Conflict, hint="remove the object that has the name or address, or choose another one")
_INVALID = Meaning(error=InvalidConfig, hint="correct the value that is named")
_UNSUPPORTED = Meaning(
    error=Unsupported, hint="this kernel or device cannot do it: load the module or choose another type"
)
_NOT_THERE = Meaning(error=NotReady, hint="it is tried again; check that the object exists on this host")
_BUSY = Meaning(error=Busy, hint="it is tried again once the object is free")
_SCARCE = Meaning(error=Busy, hint="it is tried again; the host is short of memory, descriptors or buffers")
_UNREACHABLE = Meaning(
    error=InvalidConfig,
    hint="the gateway must lie in a network of the interface; correct the gateway or mark it on-link",
)

ERRNO_TABLE: dict[int, Meaning] = {
    errno.EPERM: _PRIVILEGE,
    errno.EACCES: _PRIVILEGE,
    errno.EROFS: _READ_ONLY,
    errno.EEXIST: _EXISTS,
    errno.EADDRINUSE: _EXISTS,
    errno.ENOTUNIQ: _EXISTS,
    errno.EINVAL: _INVALID,
    errno.ERANGE: _INVALID,
    errno.EADDRNOTAVAIL: _INVALID,
    errno.ENAMETOOLONG: _INVALID,
    errno.EMSGSIZE: _INVALID,
    errno.EOPNOTSUPP: _UNSUPPORTED,
    errno.EAFNOSUPPORT: _UNSUPPORTED,
    errno.EPROTONOSUPPORT: _UNSUPPORTED,
    errno.ENOSYS: _UNSUPPORTED,
    errno.ENOPROTOOPT: _UNSUPPORTED,
    errno.ENODEV: _NOT_THERE,
    errno.ENXIO: _NOT_THERE,
    errno.ENOENT: _NOT_THERE,
    errno.ESRCH: _NOT_THERE,
    errno.ENETDOWN: Meaning(error=NotReady, hint="it is tried again; the interface is down"),
    errno.EBUSY: _BUSY,
    errno.EAGAIN: _BUSY,
    errno.ENOTCONN: _BUSY,
    errno.ENOMEM: _SCARCE,
    errno.ENOBUFS: _SCARCE,
    errno.EMFILE: _SCARCE,
    errno.ENFILE: _SCARCE,
    errno.ENOSPC: _SCARCE,
    errno.ENETUNREACH: _UNREACHABLE,
    errno.EHOSTUNREACH: _UNREACHABLE,
    errno.ETIMEDOUT: Meaning(error=Timeout, hint="it is tried again; the kernel did not answer in time"),
    errno.ESTALE: Meaning(error=Gone, hint="the Pod's network namespace is no longer the one it was"),
}
"""What each error number means unless the caller knows better from its context."""

_UNKNOWN = Meaning(error=Unavailable, hint="it is tried again; see the kernel log (dmesg) if it does not pass")


def from_errno(
    code: int, doing: str, *, detail: str = "", subject: str = "", path: str = "", hint: str = ""
) -> SecnetError:
    """The contract's error for an error number.

    doing: what failed, such as `creating the link sn0a1b`; detail: the kernel's own words, if it gave any.
    hint: replaces the general hint of the table.
    """
    meaning = ERRNO_TABLE.get(code, _UNKNOWN)
    name = errno.errorcode.get(code, str(code))
    return meaning.error(
        f"{doing}: {detail or os.strerror(code)} ({name})", hint=hint or meaning.hint, subject=subject, path=path
    )


@contextmanager
def translated(doing: str, *, subject: str = "", path: str = "", hint: str = "") -> Iterator[None]:
    """Turn an OSError raised inside into the contract's error; other exceptions pass."""
    try:
        yield
    except OSError as exc:
        raise from_errno(exc.errno or 0, doing, subject=subject, path=path, hint=hint) from exc
