"""The interface to the cluster. Objects are plain dicts in the shape of the Kubernetes API."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Protocol

from secnet.contract import Unsupported

from ..model.problem import Problem

__all__ = [
    "NOTHING",
    "ApiReader",
    "Cluster",
    "Event",
    "EventType",
    "Handler",
    "Object",
    "SourceTraits",
    "Watch",
    "version_of",
]

Object = dict[str, Any]
NOTHING: Mapping[str, Any] = MappingProxyType({})
EventType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change. `object` is the handler's own copy: the new state, or for DELETED the last one that was seen,
    with the resourceVersion of its deletion."""

    type: EventType
    object: Object


Handler = Callable[[Event], None]


def version_of(obj: Mapping[str, Any]) -> int:
    """The resourceVersion, a number that grows with each change in the cluster; 0 where it is missing or no number."""
    text = str(obj["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdigit() else 0


class Watch(ABC):
    """A running watch. `synced` is set once everything that existed at its start was handed over as ADDED."""

    synced: threading.Event

    @abstractmethod
    def close(self) -> None:
        """Stop, and return once the handler is not running and never will again. May be called twice."""


class ApiReader(Protocol):
    """The Kubernetes API by paths, for what is none of our objects. `path` begins with `/api`; answers are plain dicts.

    Raises ObjectNotFound for 404, MissingPrivilege for the 403 of RBAC, another SecnetError for everything else.
    """

    def get(self, path: str) -> dict[str, Any]:
        """The object at a path."""
        ...

    def list(self, path: str, *, fields: str = "") -> list[dict[str, Any]]:
        """All objects at the path of a collection; fields: a field selector, such as `spec.nodeName=n1`."""
        ...

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a review, which stores nothing."""
        ...

    def close(self) -> None:
        """Let its connections go; who waits for an answer gets an error. May be called twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTraits:
    """What the agent may assume of a source of objects; each policy of the agent asks for the one that it depends on.

    trusts_annotations: `secnet.io/netns` and `secnet.io/devices` of a Pod may be honoured. Only where a Pod's author is root on
    the node anyway: else he could name the host's namespace, or another Pod's device.
    free_reads: reading objects costs no request to a server, so leases may be compared with the pools at each resync.
    containers_wait: the program that creates a Pod here waits for its networks before it starts the containers.
    shared: the objects are those of several nodes, whose agents give addresses back as well.
    common_ledgers: the state directory is that of every agent of these objects, so each can read whose ledger names a sandbox.
    """

    trusts_annotations: bool
    free_reads: bool
    containers_wait: bool
    shared: bool
    common_ledgers: bool


class Cluster(ABC):
    """Where the agent finds its objects; a superset of `secnet.contract.ObjectStore`. Thread-safe.

    watched: the kinds that `watch` reports. What is not among them is read when it is needed.
    traits: what the agent may assume of this source.
    """

    watched: tuple[str, ...]
    traits: SourceTraits

    @abstractmethod
    def get(self, kind: str, name: str, namespace: str = "") -> Object:
        """A fresh copy of one live object. Raises ObjectNotFound or Unavailable."""

    @abstractmethod
    def list(self, kind: str, namespace: str = "") -> list[Object]:
        """Fresh copies of all objects of a kind (of one namespace, if given), ordered by namespace and name."""

    def names(self, kind: str) -> frozenset[tuple[str, str]]:
        """Namespace and name of all objects of a kind."""
        return frozenset((obj["metadata"].get("namespace", ""), obj["metadata"]["name"]) for obj in self.list(kind))

    @abstractmethod
    def update_status(self, obj: Object) -> Object:
        """Replace the `status` of an object and nothing else, if its resourceVersion is still the one in `obj`.

        Returns the stored object; an equal status changes nothing, not even the resourceVersion. Raises StoreConflict when
        the object changed since it was read, ObjectNotFound when it is gone.
        """

    @abstractmethod
    def patch_pod(
        self,
        name: str,
        namespace: str,
        uid: str,
        *,
        annotations: Mapping[str, str | None] = NOTHING,
        condition: Mapping[str, Any] | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Set annotations of a Pod (None removes one), and one condition by its `type`; leave everything else alone.

        condition: type, status, reason, message. lastTransitionTime is set here, and changes only with `status`. Nothing is
        written for a condition that is there already. Raises StoreConflict when `uid`, or `resource_version` if given, is not
        the Pod's, ObjectNotFound when it is gone.
        """

    @abstractmethod
    def watch(self, kinds: Iterable[str], handler: Handler) -> Watch:
        """Call `handler`, one event at a time in a thread of the watch, for what exists and then for every change.

        Changes of one object arrive in order; several that follow closely may arrive as one. A handler that raises is logged.
        Raises Unsupported for a kind that is not in `watched`.
        """

    def watch_object(self, kind: str, name: str, namespace: str, handler: Handler) -> Watch:
        """The same as `watch` for one object, which need not exist, of a kind that is not in `watched`.

        Raises InvalidConfig for a name that no object can have, Unsupported where every kind is watched.
        """
        raise Unsupported(f"objects of kind {kind} are not watched one by one", hint="watch the kind")

    @abstractmethod
    def record_event(self, pod: Object, *, warning: bool, reason: str, message: str) -> None:
        """Record an Event of the Pod, or of the agent's Node, if possible: returns at once and never raises.

        reason: stable, CamelCase. Repeats of the same may be counted instead of written again.
        """

    @abstractmethod
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the source of the objects now."""

    def unreachable(self) -> str:
        """Why the source of the objects does not answer now, in a sentence; empty while it does. Waits for nothing."""
        return ""

    def unknown_kinds(self) -> str:
        """Which kinds that the agent works with the source of the objects does not have, in a sentence; empty for none. As far as
        is known: waits for nothing."""
        return ""

    def relisted(self) -> int:
        """How often the informer of the Pods had to relist since it started."""
        return 0

    def remove_taint(self, node: str, key: str) -> bool:
        """Remove every taint of this key from a Node, and change none of another key; whether there was one.

        Where there are no Nodes there is none. Raises ObjectNotFound when the Node is gone, InvalidConfig when the API refuses
        it, MissingPrivilege without the right.
        """
        return False

    def reader(self) -> ApiReader | None:
        """A new reader of the Kubernetes API, to be closed by the caller; None where there is no such API."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Close every watch and leave no thread or file descriptor behind. May be called twice."""
