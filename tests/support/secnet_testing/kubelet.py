"""A small kubelet: the Pods of one node in a Kubernetes API become real sandboxes and containers, and their status is told.

It does what a node agent can see of a kubelet: sandboxes before containers, a failed or dead sandbox made again under the same
uid, readiness gates, deletion in the right order. It pulls no images, mounts no volumes, probes nothing and never restarts a
container by itself.
"""

from __future__ import annotations

import datetime
import http.client
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import grpc

from .kubeapi.admin import Rejected
from .pod_client import PodClient
from .pod_status import pod_status, same_status
from .podresources import PodResources
from .runtime.runtime import Runtime
from .runtime.state import PodSandbox

__all__ = ["BACK_OFF_SECONDS", "Kubelet"]

BACK_OFF_SECONDS = 0.5
_LOOK_SECONDS = 0.1
_CONFLICTS = 20

_FAILURES = (grpc.RpcError, Rejected, OSError, http.client.HTTPException)


@dataclass(slots=True, kw_only=True)
class _Pod:
    """What is known of one Pod. pod: the object as last seen, None for a sandbox that was found without one."""

    uid: str
    pod: dict[str, Any] | None
    deleted: bool = False
    changed: bool = True
    busy: bool = False
    due: float = 0.0
    sandbox: str = ""
    failure: str = ""
    failures: list[str] = field(default_factory=list)

    @property
    def ending(self) -> bool:
        return self.pod is None or self.deleted or "deletionTimestamp" in self.pod["metadata"]


class Kubelet:
    """Works between `start` and `stop`; sandboxes live on after it, and another kubelet of the same runtime takes them over.

    url, token, context: see `PodClient`. workers: how many Pods it works on at once. devices: gives Pods what their limits ask
    for, before their sandbox is made, and takes it back when they have ended.
    """

    def __init__(
        self,
        runtime: Runtime,
        node: str,
        url: str,
        token: str = "",
        *,
        context: ssl.SSLContext | None = None,
        workers: int = 20,
        devices: PodResources | None = None,
    ) -> None:
        self._runtime = runtime
        self._node = node
        self.devices = devices
        self._api = PodClient(url, token, context=context)
        self._lock = threading.Lock()
        self._pods: dict[str, _Pod] = {}
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="kubelet")
        self._threads = [threading.Thread(target=self._watch), threading.Thread(target=self._look)]

    def __enter__(self) -> Kubelet:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to work, in threads of its own."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what is being done and end. Sandboxes and objects stay."""
        self._stop.set()
        self._wake.set()
        self._api.close()
        for thread in self._threads:
            thread.join()
        self._pool.shutdown()

    def sandbox(self, namespace: str, name: str) -> str:
        """The id of a Pod's sandbox; empty while there is none."""
        found = self._find(namespace, name)
        return found.sandbox if found else ""

    def container(self, namespace: str, name: str, container: str = "main") -> str:
        """The id of a Pod's container, for `Runtime.exec`."""
        return self._runtime.containers(self.sandbox(namespace, name))[container]

    def failure(self, namespace: str, name: str) -> str:
        """Why the last attempt on a Pod failed; empty if it did not."""
        found = self._find(namespace, name)
        return found.failure if found else ""

    def failures(self, namespace: str, name: str) -> tuple[str, ...]:
        """Why attempts on a Pod failed so far, the oldest first."""
        found = self._find(namespace, name)
        with self._lock:
            return tuple(found.failures) if found else ()

    def summary(self) -> str:
        """The Pods that it knows, each with its sandbox and what it met last, for whom a test failed."""
        with self._lock:
            known = [(each.pod, each.uid, each.sandbox, each.failure) for each in self._pods.values()]
        lines = [
            f"{pod['metadata']['name'] if pod else uid} {sandbox or 'no sandbox'} {why}"
            for pod, uid, sandbox, why in known
        ]
        return "; ".join(lines) or "none"

    def _find(self, namespace: str, name: str) -> _Pod | None:
        with self._lock:
            for each in self._pods.values():
                meta = each.pod["metadata"] if each.pod else {}
                if not each.ending and (meta.get("namespace"), meta.get("name")) == (namespace, name):
                    return each
        return None

    # What the API wants

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                pods, version = self._api.list(self._node)
                self._take_all(pods)
                for kind, pod in self._api.watch(self._node, version):
                    if kind == "ERROR":  # such as 410: what happened since is in a new list
                        break
                    if kind != "BOOKMARK":
                        self._take(pod, deleted=kind == "DELETED")
            except _FAILURES:
                pass  # an API that is away is nothing special; Pods go on
            self._stop.wait(_LOOK_SECONDS)

    def _take_all(self, pods: Iterable[dict[str, Any]]) -> None:
        listed = {pod["metadata"]["uid"] for pod in pods}
        for pod in pods:
            self._take(pod, deleted=False)
        orphans = {each.uid for each in self._runtime.pods() if not each.static}
        with self._lock:
            for uid in orphans - set(self._pods):
                self._pods[uid] = _Pod(uid=uid, pod=None)
            for uid in set(self._pods) - listed:
                self._pods[uid].deleted = self._pods[uid].changed = True
        self._wake.set()

    def _take(self, pod: dict[str, Any], *, deleted: bool) -> None:
        uid = pod["metadata"]["uid"]
        with self._lock:
            if uid in self._pods:
                known = self._pods[uid]
                known.pod, known.changed, known.deleted = pod, True, known.deleted or deleted
            else:
                self._pods[uid] = _Pod(uid=uid, pod=pod, deleted=deleted)
        self._wake.set()

    # What the node has

    def _look(self) -> None:
        """Give Pods to the workers: those that changed, whose time has come, or whose sandbox died."""
        while not self._stop.is_set():
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()
            try:
                living = {each.id for each in self._runtime.pods() if each.ready}
            except grpc.RpcError:  # a runtime that is away says nothing about its sandboxes
                continue
            with self._lock:
                waiting = [each for each in self._pods.values() if not each.busy and each.due <= time.monotonic()]
                for each in waiting:
                    if each.changed or (each.sandbox and each.sandbox not in living):
                        each.busy, each.changed = True, False
                        self._pool.submit(self._work, each)

    def _work(self, each: _Pod) -> None:
        failure = ""
        try:
            self._sync(each)
        except Exception as exc:  # whatever it is: a Pod that stays busy would never be looked at again
            details = exc.details() if isinstance(exc, grpc.Call) else None
            failure = details or str(exc) or type(exc).__name__
        with self._lock:
            each.failure, each.busy = failure, False
            if failure:
                each.failures.append(failure)
                each.due, each.changed = time.monotonic() + BACK_OFF_SECONDS, True
        self._wake.set()

    def _sync(self, each: _Pod) -> None:
        mine = [found for found in self._runtime.pods() if found.uid == each.uid]
        if each.ending:
            self._tear_down(each, mine)
            return
        assert each.pod is not None
        if self.devices is not None:
            self.devices.allocate(each.pod)
        living = [found.id for found in mine if found.ready]
        if not living:
            self._report(each)
            living = [self._make_sandbox(each.pod, mine)]
        each.sandbox = living[-1]
        for container in each.pod["spec"].get("containers") or []:
            if container["name"] not in self._runtime.containers(each.sandbox):
                self._start_container(each.sandbox, container)
        self._report(each)

    def _make_sandbox(self, pod: Mapping[str, Any], old: Iterable[PodSandbox]) -> str:
        """The old ones are ended first and forgotten last, as the kubelet does it."""
        meta = pod["metadata"]
        for dead in old:
            self._runtime.stop_pod(dead.id)
        made = self._runtime.run_pod(
            meta["namespace"],
            meta["name"],
            uid=meta["uid"],
            annotations=meta.get("annotations"),
            attempt=max((dead.attempt + 1 for dead in old), default=0),
            host_network=bool(pod["spec"].get("hostNetwork")),
        )
        for dead in old:
            self._runtime.remove_pod(dead.id)
        return made

    def _start_container(self, sandbox: str, container: Mapping[str, Any]) -> None:
        given: dict[str, Any] = {"image": container["image"]} if "image" in container else {}
        if command := [*(container.get("command") or ()), *(container.get("args") or ())]:
            given["command"] = command
        self._runtime.start_container(sandbox, container["name"], **given)

    def _tear_down(self, each: _Pod, mine: Iterable[PodSandbox]) -> None:
        for found in mine:
            self._runtime.remove_pod(found.id)
        if self.devices is not None:
            self.devices.free(each.uid)
        if each.pod is not None and not each.deleted:
            try:
                self._api.delete(each.pod)
            except Rejected as exc:
                if exc.status not in (404, 409):  # gone, or another Pod of that name
                    raise
        with self._lock:
            each.sandbox = ""
            if each.deleted or each.pod is None:
                self._pods.pop(each.uid, None)

    def _report(self, each: _Pod) -> None:
        """Write the status if it differs from what the object says; a condition of somebody else is kept."""
        assert each.pod is not None
        pod = each.pod
        state = self._runtime.state(each.sandbox) if each.sandbox in self._runtime.sandboxes() else None
        containers = self._runtime.containers(each.sandbox) if state and state.ready else {}
        for _ in range(_CONFLICTS):
            now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            status = pod_status(pod, state.addresses if state else (), containers, now)
            if same_status(status, pod.get("status") or {}):
                return
            try:
                self._api.patch_status(pod, status)
                return
            except Rejected as exc:
                if exc.status == 404:
                    return
                if exc.status != 409:
                    raise
            pod = self._api.get(pod["metadata"]["namespace"], pod["metadata"]["name"])
            if pod["metadata"]["uid"] != each.uid:
                return
        raise Rejected(409, {"message": "the Pod changes all the time"})
