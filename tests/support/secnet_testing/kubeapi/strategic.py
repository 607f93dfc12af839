"""Strategic merge patches, of the built-in kinds."""

from __future__ import annotations

import copy
from typing import Any

from .answers import ApiError

__all__ = ["strategic_merge"]

# The merge key of the lists that are merged element by element (`patchMergeKey` of the API); all others are replaced.
_MERGE_KEYS = {
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "volumes": "name",
}


def strategic_merge(target: Any, patch: Any, field: str = "") -> Any:
    """The target after the patch. field: of the object that holds it. Of directives only `$patch: delete` is known."""
    if isinstance(patch, dict):
        result = dict(target) if isinstance(target, dict) else {}
        for key, value in patch.items():
            if value is None:
                result.pop(key, None)
            elif not key.startswith("$"):
                result[key] = strategic_merge(result.get(key), value, key)
        return result
    if isinstance(patch, list) and field in _MERGE_KEYS:
        # What there is nothing to merge with is taken as it is.
        return _merged_list(target, patch, _MERGE_KEYS[field]) if target else copy.deepcopy(patch)
    return copy.deepcopy(patch)


def _merged_list(target: list[Any], patch: list[Any], key: str) -> list[Any]:
    before = {item[key]: item for item in target}
    order, changed = list(before), {}
    for item in patch:
        if key not in item:
            raise ApiError(500, "", f"map: {item} does not contain declared merge key: {key}")
        old = before.pop(item[key], None)
        if item.get("$patch") != "delete":
            changed[item[key]] = strategic_merge(old, item)
    return _in_order(list(before.items()), list(changed.items()), order)


def _in_order(kept: list[tuple[Any, Any]], changed: list[tuple[Any, Any]], order: list[Any]) -> list[Any]:
    """What is new goes before the rest, and what was there stays where it was, as far as the order of the patch allows."""
    result = []
    while kept and changed:
        first, second = kept[0][0], changed[0][0]
        source = kept if second in order and order.index(first) < order.index(second) else changed
        result.append(source.pop(0)[1])
    return [*result, *(item for _, item in (*kept, *changed))]
