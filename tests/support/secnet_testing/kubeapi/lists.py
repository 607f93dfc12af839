"""Lists, a page at a time, each page of the list as it was at the first."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from .answers import ApiError, Object, bad_version
from .resources import Resource
from .selectors import Matches
from .store import Store

__all__ = ["Lists"]


class Lists:
    """Remembers the lists that clients are paging through, until the store is compacted."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[str, tuple[list[Object], str]] = {}
        self._expired: set[str] = set()

    def forget(self) -> None:
        """Later pages are gone."""
        self._expired |= self._open.keys()
        self._open.clear()

    def page(self, resource: Resource, matches: Matches, query: Mapping[str, str]) -> Object:
        """The page that the query asks for."""
        asked = query.get("resourceVersion") or "0"
        if not asked.isdecimal():
            raise bad_version(asked)
        if int(asked) > self._store.revision:
            why = f"Timeout: Too large resource version: {asked}, current: {self._store.revision}"
            raise ApiError(504, "Timeout", why)
        token, limit = query.get("continue", ""), int(query.get("limit") or 0)
        if token:
            if token not in self._open:
                if token not in self._expired:
                    raise ApiError(400, "BadRequest", "invalid continue token: continue key is not valid")
                message = "The provided continue parameter is too old to display a consistent list result."
                raise ApiError(410, "Expired", message)
            items, revision = self._open.pop(token)
        else:
            items = [obj for obj in self._store.sorted(resource.name) if matches(obj)]
            revision = str(self._store.revision)
        meta: Object = {"resourceVersion": revision}
        if limit and len(items) > limit:
            meta["continue"] = uuid.uuid4().hex
            self._open[meta["continue"]] = (items[limit:], revision)
            meta["remainingItemCount"] = len(items) - limit
            items = items[:limit]
        if not resource.custom:  # the list says it for all of them
            items = [{key: value for key, value in obj.items() if key not in ("kind", "apiVersion")} for obj in items]
        return {
            "apiVersion": resource.api_version,
            "kind": f"{resource.kind}List",
            "metadata": meta,
            "items": items,
        }
