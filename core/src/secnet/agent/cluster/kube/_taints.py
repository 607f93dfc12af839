"""Taints of a Node: one key is removed, and whatever others do to the list at that moment stays."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from secnet.contract import InvalidConfig

from ._api import Api
from ._requests import PathRequest
from ._transport import Transport

__all__ = ["remove_taint"]

_JSON_PATCH = "application/json-patch+json"
_TRIES = 5


def remove_taint(api: Api, transport: Transport, node: str, key: str) -> bool:
    """See `Cluster.remove_taint`.

    The list has no merge key in the API, so it could only be replaced as a whole. Each element is removed by its place instead,
    and only while what was read still stands there.
    """
    where = f"/api/v1/nodes/{quote(node, safe='')}"
    for attempt in range(_TRIES):
        found = api.call(transport, PathRequest(verb="get", kind="Node", where=where))
        operations = _operations((found.get("spec") or {}).get("taints") or [], key)
        if not operations:
            return False
        patch = PathRequest(verb="patch", kind="Node", where=where, body=operations, content_type=_JSON_PATCH)
        try:
            api.call(transport, patch)
        except InvalidConfig:  # a test failed: the list is another one by now, or an admission rule refuses the patch
            if attempt == _TRIES - 1:
                raise
            continue
        return True
    raise AssertionError("unreachable")


def _operations(taints: list[Any], key: str) -> list[dict[str, Any]]:
    """From the last place to the first, for each removal moves what follows."""
    places = [place for place, taint in enumerate(taints) if isinstance(taint, dict) and taint.get("key") == key]
    return [
        operation
        for place in reversed(places)
        for operation in (
            {"op": "test", "path": f"/spec/taints/{place}", "value": taints[place]},
            {"op": "remove", "path": f"/spec/taints/{place}"},
        )
    ]
