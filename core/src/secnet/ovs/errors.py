"""From failures of the OVS database, its client library and ovs-vswitchd to the errors of the contract."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass

from secnet.contract import (
    Busy,
    Conflict,
    InvalidConfig,
    MissingPrivilege,
    NotReady,
    SecnetError,
    Unavailable,
    Unsupported,
    VerifyFailed,
)

__all__ = [
    "INTERFACE_TABLE",
    "OSERROR_TABLE",
    "TRANSACTION_TABLE",
    "Rule",
    "from_interface",
    "from_oserror",
    "from_text",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Text that matches `pattern` (anywhere, any case) means `error`, and `hint` says what to do."""

    pattern: str
    error: type[SecnetError]
    hint: str


TRANSACTION_TABLE: tuple[Rule, ...] = (
    Rule(
        pattern="constraint violation",
        error=Conflict,
        hint="another program made an object of that name: remove it (ovs-vsctl del-port) or choose another name",
    ),
    Rule(pattern="referential integrity", error=Busy, hint="it is tried again; the bridge changed meanwhile"),
    Rule(pattern="permission error|not allowed", error=MissingPrivilege, hint="give the agent write access to OVSDB"),
    Rule(pattern="resources exhausted|I/O error", error=Unavailable, hint="check ovsdb-server's log and disk"),
    Rule(
        pattern="timed out|timeout",
        error=Unavailable,
        hint="it is tried again; look whether ovsdb-server is overloaded",
    ),
)
"""Errors of a transaction, by the server's or the library's words (RFC 7047 section 3.1)."""

INTERFACE_TABLE: tuple[Rule, ...] = (
    Rule(
        pattern="no such device",
        error=NotReady,
        hint="it is tried again; the device is not in ovs-vswitchd's namespace",
    ),
    Rule(pattern="busy|already|file exists", error=Conflict, hint="free the device: another bridge or master holds it"),
    Rule(
        pattern="not permitted|permission denied", error=MissingPrivilege, hint="see ovs-vswitchd's log and privileges"
    ),
    Rule(
        pattern="not supported|unknown type|invalid argument",
        error=Unsupported,
        hint="choose another datapath or device",
    ),
)
"""Errors that ovs-vswitchd writes to the column `error` of an interface."""

OSERROR_TABLE: dict[int, tuple[type[SecnetError], str]] = {
    errno.ENOENT: (Unavailable, "it is tried again; start Open vSwitch or correct `ovsdb` in the node configuration"),
    errno.ECONNREFUSED: (Unavailable, "it is tried again; start Open vSwitch (the socket is left from one that ended)"),
    errno.EACCES: (MissingPrivilege, "run the agent as root or give it access to the socket"),
    errno.EPERM: (MissingPrivilege, "run the agent as root or give it access to the socket"),
    errno.ENAMETOOLONG: (InvalidConfig, "a socket path has 107 characters at most; choose a shorter one"),
}
"""Errors of reaching the server; what is not listed is Unavailable."""


def from_text(text: str, doing: str, subject: str) -> SecnetError:
    """The error for a transaction that the server or the library refused."""
    return _match(
        TRANSACTION_TABLE, text, f"{doing}: {text}", subject, Unavailable, "it is tried again; see ovsdb-server's log"
    )


def from_interface(text: str, subject: str) -> SecnetError:
    """The error for a device that ovs-vswitchd could not take into a bridge."""
    text = text or "no reason given"
    return _match(
        INTERFACE_TABLE,
        text,
        f"ovs-vswitchd could not open the device: {text}",
        subject,
        VerifyFailed,
        "see ovs-vswitchd's log",
    )


def from_oserror(exc: OSError, target: str, server: str = "the OVSDB server") -> SecnetError:
    """The error for a server that cannot be reached. server: what it is called in the message."""
    # A path that is too long is refused by Python itself, without a number.
    code = errno.ENAMETOOLONG if exc.errno is None and "too long" in str(exc) else exc.errno
    error, hint = OSERROR_TABLE.get(code or 0, (Unavailable, "it is tried again; look whether Open vSwitch runs"))
    return error(f"{server} cannot be reached: {exc}", hint=hint, subject=target)


def _match(
    table: tuple[Rule, ...], text: str, message: str, subject: str, default: type[SecnetError], default_hint: str
) -> SecnetError:
    for rule in table:
        if re.search(rule.pattern, text, re.IGNORECASE):
            return rule.error(message, hint=rule.hint, subject=subject)
    return default(message, hint=default_hint, subject=subject)
