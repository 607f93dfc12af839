"""Errors as CNI reports them: a code, a message, details.

The codes of the specification where they say the same; else our own, from 100. A code never changes its meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from secnet.contract import (
    Cancelled,
    Conflict,
    ContractViolation,
    ErrorInfo,
    Gone,
    InvalidConfig,
    MissingPrivilege,
    Permanent,
    Retryable,
    SecnetError,
    Unsupported,
)

__all__ = [
    "CHECK_FAILED",
    "INTERNAL",
    "InvalidCniCall",
    "CniCode",
    "code_of",
    "error_result",
    "internal_error",
    "not_available",
]

CniCode = int

BAD_VERSION: CniCode = 1
GONE: CniCode = 3
BAD_ENVIRONMENT: CniCode = 4
UNDECODABLE: CniCode = 6
BAD_CONFIG: CniCode = 7
TRY_AGAIN: CniCode = 11
NOT_AVAILABLE: CniCode = 50
UNSUPPORTED: CniCode = 100
MISSING_PRIVILEGE: CniCode = 101
CONFLICT: CniCode = 102
CONTRACT_VIOLATION: CniCode = 103
CHECK_FAILED: CniCode = 104
INTERNAL: CniCode = 105

# Unsupported is not CNI's 2: that one is about a field of the configuration, ours also about the host or the Pod's request.
_CODES: dict[type[SecnetError], CniCode] = {
    Retryable: TRY_AGAIN,
    Cancelled: TRY_AGAIN,
    Gone: GONE,
    InvalidConfig: BAD_CONFIG,
    Unsupported: UNSUPPORTED,
    MissingPrivilege: MISSING_PRIVILEGE,
    Conflict: CONFLICT,
    Permanent: BAD_CONFIG,
    ContractViolation: CONTRACT_VIOLATION,
}


class InvalidCniCall(InvalidConfig):
    """A call that is no valid CNI call; it carries the specification's own code."""

    def __init__(self, code: CniCode, message: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


def code_of(error: SecnetError) -> CniCode:
    """The CNI code of an error: that of its nearest class in the table."""
    if isinstance(error, InvalidCniCall):
        return error.code
    return next((_CODES[cls] for cls in type(error).__mro__ if cls in _CODES), INTERNAL)


def error_result(version: str, *errors: SecnetError) -> dict[str, Any]:
    """The error object for one error, or for several of which the first gives the code."""
    return {
        "cniVersion": version,
        "code": code_of(errors[0]),
        "msg": "; ".join(_message(error.info) for error in errors),
        "details": "; ".join(dict.fromkeys(error.hint for error in errors if error.hint)),
    }


def not_available(version: str, why: ErrorInfo) -> dict[str, Any]:
    """The answer of STATUS while ADD cannot be served."""
    return {"cniVersion": version, "code": NOT_AVAILABLE, "msg": _message(why), "details": why.hint}


def internal_error(version: str, error: BaseException) -> dict[str, Any]:
    """The answer to a failure of the agent itself; all about it is in the agent's log."""
    message = f"InternalError: the agent failed with {type(error).__name__}"
    return {"cniVersion": version, "code": INTERNAL, "msg": message, "details": "see the agent's log for the cause"}


def _message(info: ErrorInfo) -> str:
    parts: Sequence[str] = (info.reason, info.subject, info.path, info.message)
    return ": ".join(part for part in parts if part)
