"""Garbage collection of leases: addresses whose sandbox is gone are found in the pools and released (rule R6 of
docs/architecture.md).

A pool's entry names a container, not the node on which it runs, and an address released too early is allocated twice. So:

- What a record names, or what still stands on this node, is never touched.
- Of a container that this node served, the runtime says whether it has ended; no other source can know.
- Of any other, the API server says, in a fresh read each time, whether its Pod exists, and where. If the Pod is gone, or is
  here in another sandbox, the container may still run on an unreachable node: the address is released only when that was seen
  twice, a grace period apart. If the Pod is elsewhere, that node's agent sees to it.

Which Pods are gone, one list of all of them says; only of these the fresh reads are made. `LeaseRounds` says who lists when.
"""

from __future__ import annotations

import enum
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from secnet.contract import AttachmentId, Call, IpamLease, IpamOwner, IpamRequest, NetworkRef, SecnetError

from ..base.logs import owner_log
from ..model.pod import PodKey
from ..state.journal import Journal
from ..state.sandbox_ledger import SandboxLedger
from .plugin_calls import Plugins

__all__ = ["LeaseGarbageCollector"]

_log = logging.getLogger(__name__)


class _Verdict(enum.Enum):
    KEEP = enum.auto()
    DOUBT = enum.auto()
    RELEASE = enum.auto()


class _Look:
    """One collection. all_pods: asked once, and only if a lease needs it; None to ask nothing."""

    def __init__(self, all_pods: Callable[[], frozenset[PodKey]] | None) -> None:
        self._all_pods = all_pods
        self.names: frozenset[PodKey] | None = None
        self.own = self.total = 0

    def exists(self, pod: PodKey) -> bool | None:
        """Whether the Pod exists; None where that is not asked."""
        if self._all_pods is None:
            return None
        if self.names is None:
            self.names = self._all_pods()
        return pod in self.names


class LeaseGarbageCollector:
    """Looks through the leases of whole backends, or for those in the way of one allocation. Thread-safe.

    own, total: how many leases the last collection found of this node's Pods and containers, and in all.
    agents: how many agents there are at most, by the last list of all Pods; 0 before it.

    has_found: whether something stands of an attachment without a record; see `OrphanGarbageCollector`.
    sandboxes: the container id of every Pod of this node now, None for a Pod whose sandbox is unknown.
    pod_here: what the store says now of the Pod of this name: True for one of this node, False for one of another, None for none.
    has_ended: asks the runtime; False where it is unknown.
    served: the containers of this node; None where only this node has Pods, as with manifests.
    grace: seconds for which a lease must be doubtful before it is released.
    all_pods: lists the names of all Pods there are; None where `pod_here` costs no request.
    agent_namespace: where the agents' Pods are; empty where they are none.
    """

    def __init__(
        self,
        *,
        plugins: Plugins,
        journal: Journal,
        has_found: Callable[[AttachmentId], bool],
        sandboxes: Callable[[], Mapping[PodKey, str | None]],
        pod_here: Callable[[str, str], bool | None],
        has_ended: Callable[[str], bool],
        served: SandboxLedger | None = None,
        grace: float = 300.0,
        all_pods: Callable[[], frozenset[PodKey]] | None = None,
        agent_namespace: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plugins = plugins
        self._journal = journal
        self._has_found = has_found
        self._sandboxes = sandboxes
        self._pod_here = pod_here
        self._has_ended = has_ended
        self._served = served
        self._grace = grace
        self._all_pods = all_pods
        self._agent_namespace = agent_namespace
        self._clock = clock
        self._lock = threading.Lock()
        self._doubtful: dict[tuple[str, AttachmentId], float] = {}
        self.own = self.total = self.agents = 0

    def collect(self, ipam_types: Iterable[str], call: Call, *, elsewhere: bool = True) -> bool:
        """Look through the leases of these backends. Returns whether all could be asked; one that fails stops no other.

        elsewhere: whether also through those of Pods of other nodes that are in no doubt yet, which costs a list of all Pods.
        """
        whole, containers = True, set[str]()
        look = _Look(self._all_pods if elsewhere else None)
        for ipam_type in ipam_types:
            try:
                containers |= self._collect_type(ipam_type, look, call)
            except SecnetError as exc:
                whole = False
                _log.debug("the leases of IPAM type %s cannot be looked through: %s", ipam_type, exc)
        if whole and self._served is not None:
            self._served.keep_only(lambda: containers | {each.key.container_id for each in self._journal.records()})
        self.own, self.total = look.own, look.total
        if look.names is not None:
            self.agents = sum(namespace == self._agent_namespace for namespace, _ in look.names) or len(look.names)
        return whole

    def ripe_in(self) -> float | None:
        """In how many seconds the next doubtful lease may be released; None without any."""
        with self._lock:
            oldest = min(self._doubtful.values(), default=None)
        return None if oldest is None else max(0.0, oldest + self._grace - self._clock())

    def reclaim(self, request: IpamRequest, ipam_type: str, call: Call) -> tuple[bool, float | None]:
        """Release what blocks this allocation: leases of earlier sandboxes of its Pod, and of this node.

        Returns whether there were any, and how many seconds it takes at most until a doubtful one of its Pod is released.
        """
        released, patience = False, None
        own, sandboxes = request.owner.pod, self._sandboxes()
        for lease in self._plugins.backend(ipam_type).inventory(call):
            pod, key = lease.owner.pod, _key(lease)
            same = pod is not None and own is not None and (pod.namespace, pod.name) == (own.namespace, own.name)
            if key.container_id == request.owner.container_id or not (same or self._is_ours(key)):
                continue
            seconds = self._judge(ipam_type, lease, sandboxes, call)
            released |= seconds == 0
            if same and seconds:
                patience = max(seconds, patience or 0.0)
        return released, patience

    def _collect_type(self, ipam_type: str, look: _Look, call: Call) -> set[str]:
        sandboxes = self._sandboxes()
        leases = self._plugins.backend(ipam_type).inventory(call)
        doubtful = {
            (ipam_type, _key(lease)) for lease in leases if self._is_doubtful(ipam_type, lease, sandboxes, look, call)
        }
        with self._lock:
            self._doubtful = {k: since for k, since in self._doubtful.items() if k[0] != ipam_type or k in doubtful}
        return {lease.owner.container_id for lease in leases}

    def _is_doubtful(
        self, ipam_type: str, lease: IpamLease, sandboxes: Mapping[PodKey, str | None], look: _Look, call: Call
    ) -> bool:
        """Whether the lease is in doubt now. What is beyond doubt is released or stays."""
        pod, key = lease.owner.pod, _key(lease)
        look.total += 1
        own = self._is_ours(key) or (pod is not None and (pod.namespace, pod.name) in sandboxes)
        look.own += own
        if pod is not None and not own and self._all_pods is not None:
            with self._lock:
                since = self._doubtful.get((ipam_type, key))
            exists = look.exists((pod.namespace, pod.name))
            if exists or (exists is None and since is None):
                return False
            if since is not None and self._clock() - since < self._grace:
                return True
        return bool(self._judge(ipam_type, lease, sandboxes, call))

    def _judge(
        self, ipam_type: str, lease: IpamLease, sandboxes: Mapping[PodKey, str | None], call: Call
    ) -> float | None:
        """Seconds until the lease is released, 0 if it was now; None if it stays."""
        key = (ipam_type, _key(lease))
        verdict = self._verdict(lease, sandboxes)
        if verdict == _Verdict.KEEP:
            return None
        now = self._clock()
        with self._lock:
            since = self._doubtful.setdefault(key, now)
        left = self._grace - (now - since)
        if verdict == _Verdict.DOUBT and left > 0:
            return left
        self._release(ipam_type, lease.owner, call)
        with self._lock:
            self._doubtful.pop(key, None)
        return 0.0

    def _verdict(self, lease: IpamLease, sandboxes: Mapping[PodKey, str | None]) -> _Verdict:
        pod, key = lease.owner.pod, _key(lease)
        if pod is None or self._journal.get(key) is not None or self._has_found(key):
            return _Verdict.KEEP
        name = (pod.namespace, pod.name)
        if self._is_ours(key):
            ended = sandboxes.get(name) != key.container_id and self._has_ended(key.container_id)
            return _Verdict.RELEASE if ended else _Verdict.KEEP
        if name not in sandboxes:
            return _Verdict.DOUBT if self._pod_here(*name) is None else _Verdict.KEEP
        if self._served is None:
            return _Verdict.RELEASE if sandboxes[name] not in (None, key.container_id) else _Verdict.KEEP
        if sandboxes[name] == key.container_id or not self._pod_here(*name) or not self._has_ended(key.container_id):
            return _Verdict.KEEP
        return _Verdict.DOUBT

    def _is_ours(self, key: AttachmentId) -> bool:
        return self._served is not None and key.container_id in self._served

    def _release(self, ipam_type: str, owner: IpamOwner, call: Call) -> None:
        owner_log(owner).warning("releasing the addresses of IPAM type %s, as that sandbox is gone", ipam_type)
        request = IpamRequest(owner=owner, network=NetworkRef(namespace="", name=""), config={})
        self._plugins.release_unheld(ipam_type, request, call)


def _key(lease: IpamLease) -> AttachmentId:
    return AttachmentId(container_id=lease.owner.container_id, ifname=lease.owner.ifname)
