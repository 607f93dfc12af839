"""Garbage collection of leases: addresses whose sandbox is gone are found in the pools and released (rule R6 of
docs/architecture.md).

An address released too early is allocated twice. What counts as evidence, and for how long, is decided in `lease_evidence`; here
are the facts for it brought together, the cheap ones first. Where they cost requests to an API server, one list of all Pods says
which Pods are gone, and only these are asked for by fresh reads. `LeaseRounds` says who lists when.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from secnet.contract import AttachmentId, Call, IpamLease, IpamOwner, IpamRequest, NetworkRef, SecnetError

from ..base.logs import owner_log
from ..model.pod import PodKey
from ..state.journal import Journal
from .lease_evidence import (
    GRACE_SECONDS,
    Judgement,
    LeaseFacts,
    PodSandbox,
    PodState,
    Recorder,
    UnbrokenEvidence,
    Verdict,
    judge,
)
from .lease_ledgers import LeaseLedger
from .plugin_calls import Plugins

__all__ = ["LeaseGarbageCollector", "Reclaimed"]

_log = logging.getLogger(__name__)

_PodSandboxes = Mapping[PodKey, str | None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reclaimed:
    """What came of an allocation that was blocked. hint: why an earlier sandbox of its Pod still has its address; empty without
    one."""

    released: bool
    hint: str = ""


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

    has_found: whether something stands of an attachment without a record, and has_looked: whether that is known of these network
    types, or of all for none; see `OrphanGarbageCollector`.
    sandboxes: the container id of every Pod of this node now, None for a Pod whose sandbox is unknown.
    pod_here: what the store says now of the Pod of this name: True for one of this node, False for one of another, None for none.
    ledger: whose sandbox it is, and whether it has ended.
    grace: seconds for which evidence from outside of the node must be unbroken.
    all_pods: lists the names of all Pods there are; None where `pod_here` costs no request.
    agent_namespace: where the agents' Pods are; empty where they are none.
    """

    def __init__(
        self,
        *,
        plugins: Plugins,
        journal: Journal,
        has_found: Callable[[AttachmentId], bool],
        has_looked: Callable[[tuple[str, ...]], bool],
        sandboxes: Callable[[], _PodSandboxes],
        pod_here: Callable[[str, str], bool | None],
        ledger: LeaseLedger,
        grace: float = GRACE_SECONDS,
        all_pods: Callable[[], frozenset[PodKey]] | None = None,
        agent_namespace: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plugins = plugins
        self._journal = journal
        self._has_found = has_found
        self._has_looked = has_looked
        self._sandboxes = sandboxes
        self._pod_here = pod_here
        self._ledger = ledger
        self._grace = grace
        self._all_pods = all_pods
        self._agent_namespace = agent_namespace
        self._clock = clock
        self._lock = threading.Lock()
        self._evidence = UnbrokenEvidence()  # under the lock
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
        if whole:
            whole = self._forget_others(containers)
        self.own, self.total = look.own, look.total
        if look.names is not None:
            self.agents = sum(namespace == self._agent_namespace for namespace, _ in look.names) or len(look.names)
        return whole

    def ripe_in(self) -> float | None:
        """In how many seconds the next doubtful lease may be released; None without any."""
        with self._lock:
            return self._evidence.next_in(self._clock())

    def reclaim(self, request: IpamRequest, ipam_type: str, call: Call) -> Reclaimed:
        """Release what blocks this allocation: leases of earlier sandboxes of its Pod, and of this node."""
        released, hint, patience = False, "", 0.0
        own, sandboxes = request.owner.pod, self._sandboxes()
        for lease in self._read(ipam_type, call):
            pod, key = lease.owner.pod, _key(lease)
            same = pod is not None and own is not None and (pod.namespace, pod.name) == (own.namespace, own.name)
            if key.container_id == request.owner.container_id or not (same or self._is_ours(key)):
                continue
            seconds, judgement = self._act(ipam_type, lease, sandboxes, call)
            released |= seconds == 0
            if same and judgement.remedy:
                hint = f"an earlier sandbox of this Pod has it: {judgement.reason}; {judgement.remedy}"
            elif same and seconds:
                patience = max(seconds, patience)
        if patience and not hint:
            hint = (
                "an earlier sandbox of this Pod, on another node, has not given its address back; if that node is dead and does "
                f"not do so, it is released in {patience:.0f} s"
            )
        return Reclaimed(released=released, hint=hint)

    def _read(self, ipam_type: str, call: Call) -> tuple[IpamLease, ...]:
        """The leases, and then the ledgers: what is in the pools stands in them before."""
        leases = self._plugins.backend(ipam_type).inventory(call)
        self._ledger.refresh()
        return leases

    def _collect_type(self, ipam_type: str, look: _Look, call: Call) -> set[str]:
        sandboxes = self._sandboxes()
        leases = self._read(ipam_type, call)
        doubtful = {
            (ipam_type, _key(lease)) for lease in leases if self._is_doubtful(ipam_type, lease, sandboxes, look, call)
        }
        with self._lock:
            self._evidence.keep_only(ipam_type, doubtful)
        return {lease.owner.container_id for lease in leases}

    def _forget_others(self, containers: set[str]) -> bool:
        try:
            self._ledger.keep_only(lambda: containers | {each.key.container_id for each in self._journal.records()})
        except SecnetError as exc:
            _log.warning("%s", exc)
            return False
        return True

    def _is_doubtful(self, ipam_type: str, lease: IpamLease, sandboxes: _PodSandboxes, look: _Look, call: Call) -> bool:
        """Whether the lease is in doubt now. What is beyond doubt is released or stays."""
        pod, key = lease.owner.pod, _key(lease)
        look.total += 1
        own = self._is_ours(key) or (pod is not None and (pod.namespace, pod.name) in sandboxes)
        look.own += own
        if pod is not None and not own and self._all_pods is not None:
            with self._lock:
                left = self._evidence.left_of((ipam_type, key), self._clock())
            exists = look.exists((pod.namespace, pod.name))
            if exists or (exists is None and left is None):
                return False
            if left:
                return True
        seconds, _ = self._act(ipam_type, lease, sandboxes, call)
        return bool(seconds)

    def _act(
        self, ipam_type: str, lease: IpamLease, sandboxes: _PodSandboxes, call: Call
    ) -> tuple[float | None, Judgement]:
        """Seconds until the lease is released, 0 if it was now, None if it stays; and why."""
        key, judgement = (ipam_type, _key(lease)), self._judge(lease, sandboxes)
        with self._lock:
            left = self._evidence.seconds_left(key, judgement, self._clock())
        if left == 0:
            self._release(ipam_type, lease.owner, judgement.reason, call)
            with self._lock:
                self._evidence.forget(key)
        return left, judgement

    def _judge(self, lease: IpamLease, sandboxes: _PodSandboxes) -> Judgement:
        facts = self._facts(lease, sandboxes)
        while True:
            judgement = judge(facts, self._grace)
            if judgement.verdict is Verdict.ASK_SANDBOX:
                facts = dataclasses.replace(facts, sandbox=self._ledger.state(lease.owner.container_id))
            elif judgement.verdict is Verdict.ASK_POD:
                facts = dataclasses.replace(facts, pod=self._pod_state(lease))
            else:
                return judgement

    def _facts(self, lease: IpamLease, sandboxes: _PodSandboxes) -> LeaseFacts:
        """What costs no question."""
        pod, key = lease.owner.pod, _key(lease)
        container = sandboxes.get((pod.namespace, pod.name)) if pod is not None else None
        known = PodSandbox.THIS if container == key.container_id else PodSandbox.ANOTHER
        return LeaseFacts(
            names_pod=pod is not None,
            has_record=self._journal.get(key) is not None,
            stands=self._has_found(key),
            all_looked_at=self._has_looked(self._ledger.network_types(key.container_id)),
            recorder=self._ledger.recorder(key.container_id),
            agent=self._ledger.agent(key.container_id),
            alone=self._ledger.alone(),
            pod_sandbox=PodSandbox.NONE if container is None else known,
        )

    def _pod_state(self, lease: IpamLease) -> PodState:
        assert lease.owner.pod is not None
        here = self._pod_here(lease.owner.pod.namespace, lease.owner.pod.name)
        if here is None:
            return PodState.ABSENT
        return PodState.HERE if here else PodState.ELSEWHERE

    def _is_ours(self, key: AttachmentId) -> bool:
        return self._ledger.recorder(key.container_id) is Recorder.THIS_AGENT

    def _release(self, ipam_type: str, owner: IpamOwner, reason: str, call: Call) -> None:
        owner_log(owner).warning("releasing the addresses of IPAM type %s: %s", ipam_type, reason)
        request = IpamRequest(owner=owner, network=NetworkRef(namespace="", name=""), config={})
        self._plugins.release_unheld(ipam_type, request, call)


def _key(lease: IpamLease) -> AttachmentId:
    return AttachmentId(container_id=lease.owner.container_id, ifname=lease.owner.ifname)
