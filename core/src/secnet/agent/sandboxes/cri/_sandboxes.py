"""Finds the sandboxes of Pods in the container runtime.

The path of the namespace is used, never a process id: when the sandbox's process is killed the id is gone or, worse, another
process has it, while the namespace stays until the kubelet stops the sandbox (measured). The annotation `secnet.io/netns`
means nothing here, for a Pod's author could name the host's namespace with it, or another Pod's.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from secnet.contract import Gone, NetnsRef, NotReady, PodRef, SecnetError, Unsupported
from secnet.linux.netns import forbid_host, identify, stands

from ...model.pod import pod_ref
from ...model.sandbox import Sandbox
from ._client import RuntimeClient, RuntimeSandbox

__all__ = ["CriSandboxes"]

_log = logging.getLogger(__name__)

_CONFIG_HASH = "kubernetes.io/config.hash"
_CONFIG_MIRROR = "kubernetes.io/config.mirror"

Index = Mapping[str, tuple[RuntimeSandbox, ...]]


class CriSandboxes:
    """The `SandboxSource` of nodes whose container runtime can be asked. Thread-safe.

    keep: how long one list of the runtime serves `fingerprint`, in seconds, so that a check of all Pods asks once.
    """

    def __init__(
        self, client: RuntimeClient, *, keep: float = 0.25, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._keep = keep
        self._clock = clock
        self._lock = threading.Lock()
        self._index: Index = {}
        self._looked_at: float | None = None
        self._answers = True
        self._resolved: dict[str, NetnsRef] = {}

    def resolve(self, pod: Mapping[str, Any], *, now: bool = True) -> Sandbox:
        """See `SandboxSource.resolve`. The container id is the id of the sandbox.

        Raises NotReady while there is no sandbox, or one that has ended, or one whose namespace is not in sight; Unsupported
        for a Pod with hostNetwork; InvalidConfig for the namespace of the host; Unavailable or Timeout while the runtime
        does not answer.
        """
        ref = pod_ref(pod)
        if (pod.get("spec") or {}).get("hostNetwork"):
            raise _on_host(ref)
        known = None if now else self._known(pod)
        if known is not None:
            return known
        found = self._ask(pod, ref)
        if found is None:
            raise _none_yet(ref)
        try:
            status = self._client.status(found.id)
        except Gone as exc:  # removed since the list: the kubelet makes another one, or removes the Pod
            raise _none_yet(ref) from exc
        if not status.ready:
            raise _none_yet(ref)
        if status.netns_path is None:
            raise _on_host(ref)
        netns = identify(status.netns_path)
        forbid_host(netns)
        with self._lock:
            self._resolved[found.id] = netns
        return Sandbox(container_id=found.id, netns=netns, asked=found.asked)

    def _known(self, pod: Mapping[str, Any]) -> Sandbox | None:
        """The sandbox of the last list, if it was resolved before and its namespace stands. An id never gets another one."""
        with self._lock:
            self._refresh_if_old()
            found = _newest(_candidates(pod, self._index))
            netns = None if found is None else self._resolved.get(found.id)
        if found is None or netns is None or not stands(netns):
            return None
        return Sandbox(container_id=found.id, netns=netns, asked=found.asked)

    def fingerprint(self, pod: Mapping[str, Any]) -> Hashable:
        """See `SandboxSource.fingerprint`. Never raises; while the runtime does not answer, its last answer holds."""
        with self._lock:
            self._refresh_if_old()
            found = _newest(_candidates(pod, self._index))
            netns = None if found is None else self._resolved.get(found.id)
        gone = netns is not None and not stands(netns)
        return None if found is None or gone else found.id

    def container_of(self, pod: Mapping[str, Any]) -> str | None:
        """See `SandboxSource.container_of`. From the same list as `fingerprint`."""
        with self._lock:
            self._refresh_if_old()
            found = _newest(_candidates(pod, self._index))
        return None if found is None else found.id

    def has_ended(self, container_id: str, *, now: bool = True) -> bool:
        """See `SandboxSource.has_ended`: one list of the runtime, or with `now=False` the list that serves `fingerprint`."""
        if now:
            living = self.living()
            return living is not None and container_id not in living
        with self._lock:
            self._refresh_if_old()
            return self._client.complete and not any(
                each.id == container_id and each.ready for found in self._index.values() for each in found
            )

    def refresh(self) -> bool:
        """Ask the runtime now what `fingerprint` is to answer from. False if it does not answer: the last answer stays."""
        with self._lock:
            return self._refresh()

    def living(self) -> frozenset[str] | None:
        """The ids of all sandboxes that have not ended, as of now; None while the runtime cannot be asked, or says odd things."""
        try:
            found = frozenset(sandbox.id for sandbox in self._client.sandboxes() if sandbox.ready)
            return found if self._client.complete else None
        except SecnetError as exc:
            _log.warning("which sandboxes live is not known: %s", exc)
            return None

    def _ask(self, pod: Mapping[str, Any], ref: PodRef) -> RuntimeSandbox | None:
        """The Pod's sandbox as of now: `fingerprint` may answer from an older list, this may not."""
        found: list[RuntimeSandbox] = []
        for uid in _uids(pod):
            found += self._client.sandboxes(uid=uid)
        return _newest(_candidates(pod, _indexed(found)))

    def _refresh_if_old(self) -> None:
        if self._looked_at is None or self._clock() - self._looked_at >= self._keep:
            self._refresh()

    def _refresh(self) -> bool:
        """The time is noted after a failure as well: one check of all Pods must not wait for the runtime once for each Pod."""
        try:
            listed = self._client.sandboxes()
        except SecnetError as exc:
            if self._answers:
                _log.warning("the container runtime does not answer, its last answer is kept: %s", exc)
            self._answers = False
            self._looked_at = self._clock()
            return False
        if not self._answers:
            _log.info("the container runtime answers again")
        self._answers = True
        self._looked_at = self._clock()
        self._index = _indexed(listed)
        present = {sandbox.id for sandbox in listed}
        self._resolved = {key: netns for key, netns in self._resolved.items() if key in present}
        return True


def _uids(pod: Mapping[str, Any]) -> tuple[str, ...]:
    """The uids under which the kubelet may have labelled the Pod's sandbox.

    A static Pod is in the API as a mirror with a uid of its own; the kubelet knows it by the hash of its configuration.
    """
    meta = pod["metadata"]
    annotations = meta.get("annotations") or {}
    hashed = annotations.get(_CONFIG_HASH)
    mirrored = isinstance(hashed, str) and hashed == annotations.get(_CONFIG_MIRROR)
    return tuple(uid for uid in (meta.get("uid"), hashed if mirrored else None) if uid)


def _candidates(pod: Mapping[str, Any], index: Index) -> Iterable[RuntimeSandbox]:
    """The Pod's living sandboxes.

    Any author may write the annotations of a mirror into a Pod and so name another one. What the kubelet passes to the runtime
    cannot be written by a Pod's author: namespace, name, and whether the kubelet has the Pod from the API.
    """
    meta = pod["metadata"]
    for uid in _uids(pod):
        for sandbox in index.get(uid, ()):
            if not sandbox.ready or sandbox.name != meta["name"] or sandbox.namespace != meta.get("namespace"):
                continue
            if uid == meta.get("uid") or sandbox.source in ("file", "http"):
                yield sandbox


def _newest(sandboxes: Iterable[RuntimeSandbox]) -> RuntimeSandbox | None:
    """While a sandbox is made again, the old one may still be listed."""
    return max(sandboxes, key=lambda sandbox: (sandbox.created_at, sandbox.attempt), default=None)


def _indexed(sandboxes: Iterable[RuntimeSandbox]) -> Index:
    index: dict[str, tuple[RuntimeSandbox, ...]] = {}
    for sandbox in sandboxes:
        index[sandbox.uid] = (*index.get(sandbox.uid, ()), sandbox)
    return index


def _none_yet(ref: PodRef) -> NotReady:
    return NotReady(
        "the container runtime has no living sandbox of this Pod",
        hint="it is tried again; if the Pod runs, look whether `cri.socket` names the runtime that the kubelet uses",
        subject=f"Pod {ref}",
    )


def _on_host(ref: PodRef) -> Unsupported:
    return Unsupported(
        "the Pod is in the network namespace of the host, where no Pod interface may be made",
        hint="remove hostNetwork from the Pod, or its secondary networks",
        subject=f"Pod {ref}",
        path="$.spec.hostNetwork",
    )
