"""One request to the API server as data, and where it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlencode

from secnet.contract import ObjectNotFound

from ..kinds import KINDS, KindInfo, Kinds, kind_info

__all__ = ["EVENT", "PathRequest", "Request", "Verb", "info_at", "resource_info"]

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
    """namespace: empty for cluster-scoped kinds, and for all namespaces at once. content_type: that of `body`. accept: the form
    of the answer."""

    verb: Verb
    kind: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"
    accept: str = "application/json"
    kinds: Kinds = field(default_factory=lambda: KINDS, compare=False, repr=False)

    @property
    def method(self) -> str:
        """The HTTP method."""
        return _METHODS[self.verb]

    @property
    def info(self) -> KindInfo:
        """The resource, as the API has it."""
        return resource_info(self.kind, self.kinds)

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.info.group

    @property
    def resource(self) -> str:
        """The resource as RBAC names it, such as `pods/status`."""
        plural = self.info.plural
        return f"{plural}/{self.subresource}" if self.subresource else plural

    @property
    def subject(self) -> str:
        """What it is about, for messages."""
        if not self.name:
            return self.info.plural
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"

    def path(self) -> str:
        """Path and query. Raises ObjectNotFound for a name that no object can have, for it would name another path."""
        info = self.info
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
        if part in ("", ".", "..") or any(character in part for character in "/%\0") or not _is_text(part):
            raise ObjectNotFound(
                f"{part!r} is the name of no object", hint="correct the name", subject=f"{self.kind} {part!r}"
            )
        return quote(part, safe="")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRequest(Request):
    """A request for whatever is at a path: objects of kinds that the agent has no business with, reviews, discovery.

    where: begins with `/api`; written by ourselves, never made of what others wrote. kind: the resource's plural.
    """

    where: str

    @property
    def info(self) -> KindInfo:
        """See `Request.info`."""
        return info_at(self.where)

    @property
    def subject(self) -> str:
        """See `Request.subject`."""
        return self.where

    def path(self) -> str:
        """See `Request.path`."""
        return self.where


def _is_text(part: str) -> bool:
    """Half of a surrogate pair has no bytes."""
    try:
        part.encode()
    except UnicodeEncodeError:
        return False
    return True


def info_at(path: str) -> KindInfo:
    """The resource at a path; its plural is empty where the path is about the API itself."""
    root, *parts = path.partition("?")[0].strip("/").split("/")
    length = 1 if root == "api" else 2
    version, rest = "/".join(parts[:length]), parts[length:]
    namespaced = rest[:1] == ["namespaces"] and len(rest) > 2
    return KindInfo(api_version=version, namespaced=namespaced, plural="".join((rest[2:] if namespaced else rest)[:1]))


def resource_info(kind: str, kinds: Kinds = KINDS) -> KindInfo:
    """The table's row, or that of an Event, which the agent writes and never reads. Raises InvalidConfig if unknown."""
    return _EVENT_INFO if kind == EVENT else kind_info(kind, kinds)
