"""The cluster behind its API server."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from secnet.contract import InvalidConfig, StoreConflict, Unsupported

from ...base.clock import rfc3339
from ...model.problem import Problem
from .._conditions import condition_of, next_condition
from ..interface import NOTHING, ApiReader, Cluster, Handler, Object, SourceTraits, Watch, version_of
from ..kinds import KINDS, Kinds, ObjectKey, check_object_name, object_key
from ._api import Api, OnCall, Timeouts
from ._api_health import ApiHealth
from ._credentials import Credentials
from ._events import EventRecorder
from ._informer import Informer
from ._reader import KubeReader
from ._reflector import Pace
from ._requests import Request
from ._taints import remove_taint

__all__ = ["KubeCluster", "open_reader"]

_STRATEGIC_PATCH = "application/strategic-merge-patch+json"
_TIMEOUTS = (5.0, 15.0)
_REMEMBERED = 256


class KubeCluster(Cluster):
    """See `Cluster`. Each method says how many requests it sends; `rbac.RULES` says what it must be allowed to do.

    kubeconfig: None for the service account of the agent's Pod.
    node_name: whose Pods are watched.
    on_call: called for each request: verb, kind, HTTP status (0 without an answer), seconds.
    timeouts: seconds to connect, and between two bytes of an answer.
    Raises InvalidConfig when there are no credentials. Sends nothing before it is asked something.
    """

    watched = ("Pod", "NetworkAttachmentDefinition")
    traits = SourceTraits(
        trusts_annotations=False, free_reads=False, containers_wait=False, shared=True, common_ledgers=False
    )

    def __init__(
        self,
        kubeconfig: Path | None,
        *,
        node_name: str,
        on_call: OnCall | None = None,
        credentials: Credentials | None = None,
        timeouts: Timeouts = _TIMEOUTS,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.time,
        kinds: Kinds = KINDS,
    ) -> None:
        self._kinds = kinds
        credentials = credentials or Credentials(kubeconfig)
        self._node = node_name
        self._clock = clock
        self._credentials = credentials
        self._on_call = on_call
        self._timeouts = timeouts
        self._pace = pace or Pace()
        self._health = ApiHealth(credentials.server, clock)
        self._api = Api(credentials, self._health, on_call, timeouts)
        self._transport = self._api.transport()
        self._events = EventRecorder(self._api, node_name, clock)
        self._lock = threading.Lock()
        self._watches: list[Informer] = []
        self._written: OrderedDict[str, Object] = OrderedDict()

    def get(self, kind: str, name: str, namespace: str = "") -> Object:
        """See `Cluster.get`. One GET."""
        key = object_key(kind, name, namespace, self._kinds)
        return self._call(Request(kinds=self._kinds, verb="get", kind=kind, namespace=key.namespace, name=name))

    def list(self, kind: str, namespace: str = "") -> list[Object]:
        """See `Cluster.list`. One GET for each 500 objects, of all nodes: for tools, not for the agent's work."""
        within = namespace and object_key(kind, "", namespace, self._kinds).namespace
        found, _ = self._api.list_pages(
            self._transport, Request(kinds=self._kinds, verb="list", kind=kind, namespace=within)
        )
        return sorted(found, key=lambda obj: (obj["metadata"].get("namespace", ""), obj["metadata"]["name"]))

    def names(self, kind: str) -> frozenset[tuple[str, str]]:
        """See `Cluster.names`. One GET for each 500 objects, of all nodes, which answers with their metadata alone."""
        return self._api.list_names(self._transport, Request(kinds=self._kinds, verb="list", kind=kind))

    def update_status(self, obj: Object) -> Object:
        """See `Cluster.update_status`. One PUT of the whole object, of which the API server takes the status."""
        meta = obj["metadata"]
        key = object_key(obj["kind"], meta["name"], meta.get("namespace", ""), self._kinds)
        if not meta.get("resourceVersion"):
            raise InvalidConfig(
                "a status without resourceVersion would overwrite what others wrote",
                hint="read the object, change its status, and update that",
                subject=str(key),
                path="$.metadata.resourceVersion",
            )
        return self._call(
            Request(
                kinds=self._kinds,
                verb="update",
                kind=key.kind,
                namespace=key.namespace,
                name=key.name,
                subresource="status",
                body=obj,
            )
        )

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
        """See `Cluster.patch_pod`. One PATCH of `pods/status`, which carries the annotations too, if there is something to
        change; before it, for a condition, one GET of a Pod that no watch has seen."""
        key = object_key("Pod", name, namespace)
        meta: Object = {"uid": uid}
        body: Object = {"metadata": meta}
        if annotations:
            meta["annotations"] = dict(annotations)
        if resource_version is not None:
            meta["resourceVersion"] = resource_version
        if condition is not None and (changed := self._next_condition(key, uid, condition)) is not None:
            body["status"] = {"conditions": [changed]}
        if not annotations and "status" not in body:
            return
        stored = self._call(
            Request(
                kinds=self._kinds,
                verb="patch",
                kind="Pod",
                namespace=key.namespace,
                name=name,
                subresource="status",
                body=body,
                content_type=_STRATEGIC_PATCH,
            )
        )
        with self._lock:
            self._written[uid] = stored
            if len(self._written) > _REMEMBERED:
                self._written.popitem(last=False)  # of a Pod that is gone, most likely

    def watch(self, kinds: Iterable[str], handler: Handler) -> Watch:
        """See `Cluster.watch`. Only kinds in `watched`; of Pods those of this node.

        A thread, a connection and at the start two GETs (list, watch) for each kind, then one GET every 5 to 10 minutes; a
        new list only after 410. A kind the API server does not know has no objects, until it does.
        """
        wanted = dict.fromkeys(kinds)
        for kind in wanted:
            if kind not in self.watched:
                message = f"objects of kind {kind} are not watched with the Kubernetes API"
                raise Unsupported(message, hint="read them when they are needed")
        selectors = [(kind, f"spec.nodeName={self._node}" if kind == "Pod" else "") for kind in wanted]
        return self._start(selectors, handler, self._forget)

    def watch_object(self, kind: str, name: str, namespace: str, handler: Handler) -> Watch:
        """See `Cluster.watch_object`. The same requests as `watch` for one kind, with a field selector."""
        check_object_name(name)
        key = object_key(kind, name, namespace, self._kinds)
        selector = f"metadata.name={name}" + (f",metadata.namespace={key.namespace}" if key.namespace else "")
        return self._start([(kind, selector)], handler, self._abandon)

    def record_event(self, pod: Object, *, warning: bool, reason: str, message: str) -> None:
        """See `Cluster.record_event`. In the background one POST, or for a repeat within 10 minutes one PATCH."""
        self._events.record(pod, warning=warning, reason=reason, message=message)

    def problems(self) -> tuple[Problem, ...]:
        """See `Cluster.problems`: an API server out of reach, what it forbids, resources that it does not know."""
        return self._health.current()

    def unreachable(self) -> str:
        """See `Cluster.unreachable`: no request is answered, or no reflector runs any more."""
        with self._lock:
            died = [kind for watch in self._watches for kind in watch.died()]
        if died:
            return f"the watch of {', '.join(died)} ended by a fault of the agent: restart it, and report this with its log"
        return self._health.unreached()

    def unknown_kinds(self) -> str:
        """See `Cluster.unknown_kinds`: their definitions are missing, by the last request for each."""
        return self._health.unknown()

    def relisted(self) -> int:
        """See `Cluster.relisted`."""
        with self._lock:
            reflectors = [
                reflector for watch in self._watches if (reflector := watch.reflectors.get("Pod")) is not None
            ]
        return sum(max(0, reflector.lists - 1) for reflector in reflectors)

    def remove_taint(self, node: str, key: str) -> bool:
        """See `Cluster.remove_taint`. One GET, and one PATCH if there is one; both again if the taints change meanwhile."""
        return remove_taint(self._api, self._transport, node, key)

    def reader(self) -> ApiReader:
        """See `Cluster.reader`. What it meets is no problem of this cluster's."""
        return open_reader(self._credentials, on_call=self._on_call, timeouts=self._timeouts)

    def close(self) -> None:
        """See `Cluster.close`. Requests of other threads end with an error."""
        with self._lock:
            watches = tuple(self._watches)
        for watch in watches:
            watch.close()
        self._events.close()
        self._transport.close()

    def _start(
        self, selectors: Iterable[tuple[str, str]], handler: Handler, on_close: Callable[[Informer], None]
    ) -> Watch:
        watch = Informer(self._api, selectors, handler, on_close, self._pace, self._kinds)
        with self._lock:
            self._watches.append(watch)
        watch.start()
        return watch

    def _next_condition(self, key: ObjectKey, uid: str, condition: Mapping[str, Any]) -> Object | None:
        """What to write of a condition; None if the Pod has it. Raises StoreConflict for another Pod of the name."""
        pod = self._newest(key.name, key.namespace, uid) or self.get("Pod", key.name, key.namespace)
        if pod["metadata"].get("uid") != uid:
            raise StoreConflict("it was deleted and created again", hint="read it again", subject=str(key))
        return next_condition(condition_of(pod, condition["type"]), condition, rfc3339(self._clock()))

    def _newest(self, name: str, namespace: str, uid: str) -> Object | None:
        """The Pod as the cache has it, or as this object itself wrote it since."""
        with self._lock:
            reflectors = [each for watch in self._watches if (each := watch.reflectors.get("Pod")) is not None]
        found = next((pod for each in reflectors if (pod := each.cache.get(name, namespace)) is not None), None)
        if found is None or found["metadata"]["uid"] != uid:
            return None
        with self._lock:
            ours = self._written.get(uid)
            if ours is None or version_of(found) >= version_of(ours):
                self._written.pop(uid, None)  # the watch has caught up
                return found
        return ours

    def _call(self, request: Request) -> Object:
        return self._api.call(self._transport, request)

    def _abandon(self, watch: Informer) -> None:
        """The end of a watch of one object. Another one of its kind reports again what stands in its way."""
        self._forget(watch)
        for kind in watch.reflectors:
            for verb in ("list", "watch"):
                self._health.abandoned(Request(kinds=self._kinds, verb=verb, kind=kind))

    def _forget(self, watch: Informer) -> None:
        with self._lock, suppress(ValueError):
            self._watches.remove(watch)


def open_reader(
    credentials: Credentials, *, on_call: OnCall | None = None, timeouts: Timeouts = _TIMEOUTS
) -> ApiReader:
    """The API by paths, with a connection of its own; to be closed by the caller. Sends nothing before it is asked something.

    on_call, timeouts: as for `KubeCluster`.
    """
    return KubeReader(Api(credentials, ApiHealth(credentials.server, time.time), on_call, timeouts))
