"""Conditions in the status of a Pod (Kubernetes API conventions, "Typical status properties")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .interface import Object

__all__ = ["condition_of", "next_condition", "stored_condition"]

_EMPTY = {"reason": "", "message": ""}


def condition_of(pod: Mapping[str, Any], condition_type: str) -> Object | None:
    """The Pod's condition of this type."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((item for item in conditions if item.get("type") == condition_type), None)


def next_condition(current: Mapping[str, Any] | None, desired: Mapping[str, Any], now: str) -> Object | None:
    """The condition to write, None if `current` says the same already.

    lastTransitionTime is `now` when the status changes, and stays when only the reason or the message does. Reason and message
    are in it even when empty: a merged patch that left them out would leave what an earlier condition said. In what is stored
    an empty one is left out, as an API server does.
    """
    said = _EMPTY | {key: value for key, value in desired.items() if key not in ("lastTransitionTime", "lastProbeTime")}
    if current is not None and all((current.get(key) or "") == value for key, value in said.items()):
        return None
    same = current is not None and current.get("status") == said.get("status")
    since = current.get("lastTransitionTime") if same and current is not None else None
    return said | {"lastTransitionTime": since or now}


def stored_condition(condition: Mapping[str, Any]) -> Object:
    """The condition as it is kept: without an empty reason or message."""
    return {key: value for key, value in condition.items() if value or key not in _EMPTY}
