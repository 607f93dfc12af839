"""Drift: what a check found on a living interface, as the error that is shown for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from secnet.contract import ADDRESS_OF_ANOTHER, ErrorInfo, Finding

__all__ = ["drift_error", "in_words"]

_LEFT_ALONE = "what cannot be repaired without cutting the Pod off is left alone; the next check looks again"
_BROKEN_AGAIN = (
    "something breaks it again after each repair: look who changes it; the next check after {} s repairs it once more"
)
_LIST_AGAIN = (
    "the interface works; make the pool again, or correct it: the addresses in use are entered at the next check"
)


def drift_error(interface: Sequence[Finding], lease: Sequence[Finding], wait: float = 0.0) -> ErrorInfo | None:
    """The error for findings of the interface and of its lease; None without any.

    wait: seconds until the interface may be repaired again, where the same thing broke it several times; 0 if that is not why.

    An interface whose pool was deleted works: that makes no Pod unready, or one `kubectl delete` would take all of them out of
    service. An address that another Pod has may not. Advisory findings make no Pod unready either; alone, the first one's code
    is the reason.
    """
    text = in_words([*interface, *lease])
    advisory = next((finding for finding in interface if finding.advisory), None)
    if any(not finding.advisory for finding in interface) or any(
        finding.code == ADDRESS_OF_ANOTHER for finding in lease
    ):
        hint = _BROKEN_AGAIN.format(round(wait)) if wait else _LEFT_ALONE
        return ErrorInfo(reason="Degraded", message=text, hint=hint)
    if advisory is not None:
        return ErrorInfo(reason=advisory.code, message=text)
    return ErrorInfo(reason="LeaseNotListed", message=text, hint=_LIST_AGAIN) if lease else None


def in_words(findings: Iterable[Finding]) -> str:
    """All of them in one line."""
    return "; ".join(finding.message for finding in findings)
