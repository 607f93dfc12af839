"""Node groups: settings for those nodes whose Node has certain labels, in the one configuration that all nodes share.

At most one group may match a Node. What a group gives is the highest layer of the configuration there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from secnet.contract import InvalidConfig

from ..text.schema import Problem
from .layers import without_empty

__all__ = ["KEY", "group_of", "group_problems", "group_settings"]

KEY = "nodeGroups"
"""Where groups stand in the configuration: a mapping from the name of each to its selector and settings."""

_SELECTOR = "selector"
# The agent needs them before it can read the labels of its Node, or others find it by them.
_OF_ALL_NODES = ("nodeName", "manifests", "kubernetes", "runDir", "stateDir", "ownerTag", "http", KEY)


def group_settings(group: Mapping[str, Any]) -> dict[str, Any]:
    """What a group sets, without its selector."""
    return {key: value for key, value in without_empty(group).items() if key != _SELECTOR}


def group_problems(name: str, group: Mapping[str, Any]) -> Iterator[Problem]:
    """Keys that no group may have, and expressions without their values. The paths are those inside the group."""
    for key in _OF_ALL_NODES:
        if key in group:
            hint = f"give it outside the groups: {key} is the same on all nodes, or comes from their environment"
            yield Problem(path=f"$.{key}", message=f"a node group such as {name!r} cannot set {key}", hint=hint)
    for index, expression in enumerate(group[_SELECTOR].get("matchExpressions", ())):
        takes = expression["operator"] in ("In", "NotIn")
        if takes is not ("values" in expression):
            path = f"$.{_SELECTOR}.matchExpressions[{index}].values"
            message = f"the operator {expression['operator']} {'needs' if takes else 'takes no'} values"
            yield Problem(path=path, message=message, hint=f"{'add' if takes else 'remove'} values")


def group_of(groups: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]) -> str:
    """The name of the group that matches a Node with these labels; empty when none does.

    Raises InvalidConfig when more than one does.
    """
    found = sorted(name for name, group in groups.items() if _matches(group[_SELECTOR], labels))
    if len(found) > 1:
        raise InvalidConfig(
            f"the labels of this Node match the node groups {' and '.join(found)}",
            hint="change the selectors, or the labels of the Node, so that at most one group matches",
            path=f"$.{KEY}",
        )
    return found[0] if found else ""


def _matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """As a LabelSelector of Kubernetes: everything that it says must hold."""
    exact = selector.get("matchLabels", {})
    return all(labels.get(key) == value for key, value in exact.items()) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions", ())
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case _:
            return value is None
