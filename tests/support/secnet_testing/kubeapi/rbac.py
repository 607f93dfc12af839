"""Who may do what: the rules of ClusterRoles, bound to the whole cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["Rules", "allows", "rules_of"]

Rules = Sequence[Mapping[str, Any]]


def rules_of(manifests: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """All rules of the ClusterRoles among these manifests."""
    return [rule for item in manifests if item.get("kind") == "ClusterRole" for rule in item.get("rules") or ()]


def allows(rules: Rules, verb: str, group: str, resource: str, name: str = "") -> bool:
    """Whether any rule allows it. resource: with its subresource, such as `pods/status`."""
    return any(
        _has(rule.get("verbs"), verb)
        and _has(rule.get("apiGroups"), group)
        and (
            _has(rule.get("resources"), resource) or f"*/{resource.partition('/')[2]}" in (rule.get("resources") or ())
        )
        and (not rule.get("resourceNames") or name in rule["resourceNames"])
        for rule in rules
    )


def _has(values: Sequence[str] | None, value: str) -> bool:
    return values is not None and ("*" in values or value in values)
