"""One request to the API server as data, and where it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlencode

from secnet.contract import ObjectNotFound

from ..kinds import KindInfo, kind_info

__all__ = ["EVENT", "Request", "Verb", "group_of", "resource_info"]

Verb = Literal["get", "list", "watch", "create", "update", "patch"]
"""The verbs of RBAC."""

EVENT = "Event"
_EVENT_INFO = KindInfo(api_version="v1", namespaced=True, plural="events")
_METHODS: Mapping[Verb, str] = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """namespace: empty for cluster-scoped kinds, and for all namespaces at once. content_type: that of `body`."""

    verb: Verb
    kind: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"

    @property
    def method(self) -> str:
        """The HTTP method."""
        return _METHODS[self.verb]

    @property
    def resource(self) -> str:
        """The resource as RBAC names it, such as `pods/status`."""
        plural = resource_info(self.kind).plural
        return f"{plural}/{self.subresource}" if self.subresource else plural

    @property
    def subject(self) -> str:
        """What it is about, for messages."""
        if not self.name:
            return resource_info(self.kind).plural
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"

    def path(self) -> str:
        """Path and query. Raises ObjectNotFound for a name that no object can have, for it would name another path."""
        info = resource_info(self.kind)
        root = "api" if "/" not in info.api_version else "apis"
        parts = [root, *info.api_version.split("/")]
        if self.namespace:
            parts += ["namespaces", self._safe(self.namespace)]
        parts.append(info.plural)
        if self.verb in ("get", "update", "patch"):
            parts.append(self._safe(self.name))
        if self.subresource:
            parts.append(self.subresource)
        query = f"?{urlencode(self.query)}" if self.query else ""
        return "/" + "/".join(parts) + query

    def _safe(self, part: str) -> str:
        if part in ("", ".", "..") or any(character in part for character in "/%\0"):
            raise ObjectNotFound(
                f"{part!r} is the name of no object", hint="correct the name", subject=f"{self.kind} {part!r}"
            )
        return quote(part, safe="")


def resource_info(kind: str) -> KindInfo:
    """The table's row, or that of an Event, which the agent writes and never reads. Raises InvalidConfig if unknown."""
    return _EVENT_INFO if kind == EVENT else kind_info(kind)


def group_of(kind: str) -> str:
    """The API group; empty for the core group."""
    return resource_info(kind).api_version.rpartition("/")[0]
