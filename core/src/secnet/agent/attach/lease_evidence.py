"""Which evidence frees an address, and after which grace: one rule for manifests and for the Kubernetes API.

Pure: no I/O, no clock and no thread of its own. `LeaseGarbageCollector` brings the facts and acts on the judgement; a model test
plays histories of whole clusters with it. An address is freed only with evidence that the interface is gone which has it:

- An agent that took an address wrote the sandbox into its ledger before. Only this agent knows what became of the sandbox, by its
  journal, its kernel and its container runtime. That it is stopped, frozen or silent is no evidence.
- Where every agent's ledger can be read (a directory of manifests), the address of another agent's sandbox is kept, whatever
  the Pod's object says: a Pod of the same name on another node is another Pod. An operator who knows that the node is gone says
  so (`secnet node forget`).
- Where only this agent's can be read (the Kubernetes API), the API server stands for the other nodes: the object of a Pod ends
  after its sandbox, or by someone who vouches for that (deletion by force, removal of the Node). So the Pod's object has to be
  missing, or to be a later one here, unbroken for the grace period.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass

from secnet.contract import AttachmentId

__all__ = [
    "GRACE_SECONDS",
    "Judgement",
    "LeaseFacts",
    "LeaseKey",
    "PodSandbox",
    "PodState",
    "Recorder",
    "SandboxState",
    "UnbrokenEvidence",
    "Verdict",
    "judge",
]

GRACE_SECONDS = 300.0
"""How long evidence from outside of the node has to be unbroken: an object may be missing for a moment."""

LeaseKey = tuple[str, AttachmentId]
"""The IPAM type and the interface that has the lease."""


class Recorder(enum.Enum):
    """Whose ledger names the sandbox.

    UNKNOWN: not this agent's, and no other one can be read. NO_AGENT: all were read, and none does.
    """

    THIS_AGENT = enum.auto()
    OTHER_AGENT = enum.auto()
    NO_AGENT = enum.auto()
    UNKNOWN = enum.auto()


class SandboxState(enum.Enum):
    """What this node knows of a sandbox.

    LIVING: or it is not known to have ended. UNNAMED: its network namespace has no name any more, but a process may hold it.
    ENDED: the container runtime says so, or it was before this boot.
    """

    NOT_ASKED = enum.auto()
    LIVING = enum.auto()
    UNNAMED = enum.auto()
    ENDED = enum.auto()


class PodSandbox(enum.Enum):
    """Which sandbox the Pod of that name has here, as this agent last saw it. NONE: it has none, or it is not known."""

    THIS = enum.auto()
    ANOTHER = enum.auto()
    NONE = enum.auto()


class PodState(enum.Enum):
    """What a fresh read of the source says of the Pod of that name."""

    NOT_ASKED = enum.auto()
    ABSENT = enum.auto()
    HERE = enum.auto()
    ELSEWHERE = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseFacts:
    """What is known of one lease, the entry of a pool for one interface of one sandbox.

    names_pod: the entry names a Pod; other writers have entries of their own. has_record: it is in this agent's journal.
    stands: an inventory found the interface on this node. all_looked_at: the inventories of all network types succeeded of
    which it may be.
    recorder, agent: whose ledger names the sandbox, and the name of that agent's node. alone: no other agent ever had a ledger
    here. pod_sandbox, sandbox, pod: see there; the latter two cost something, and are asked for when they matter.
    """

    recorder: Recorder
    names_pod: bool = True
    has_record: bool = False
    stands: bool = False
    all_looked_at: bool = True
    agent: str = ""
    alone: bool = False
    pod_sandbox: PodSandbox = PodSandbox.NONE
    sandbox: SandboxState = SandboxState.NOT_ASKED
    pod: PodState = PodState.NOT_ASKED


class Verdict(enum.Enum):
    """ASK_SANDBOX, ASK_POD: judge again, with that fact."""

    KEEP = enum.auto()
    FREE = enum.auto()
    ASK_SANDBOX = enum.auto()
    ASK_POD = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """after: for how many seconds the evidence must be unbroken before the address is freed. reason: to be logged.

    remedy: what an operator can do where the evidence will never come by itself; empty elsewhere.
    """

    verdict: Verdict
    reason: str = ""
    after: float = 0.0
    remedy: str = ""


def judge(facts: LeaseFacts, grace: float = GRACE_SECONDS) -> Judgement:
    """What to do with a lease."""
    if not facts.names_pod:
        return _keep("its entry names no Pod")
    if facts.has_record:
        return _keep("the journal has its interface")
    if facts.stands:
        return _keep("its interface is on this node, without a record")
    if facts.pod_sandbox is PodSandbox.THIS:
        return _keep("it is of the sandbox that the Pod has")
    if facts.recorder is Recorder.THIS_AGENT:
        return _of_this_agent(facts)
    if facts.recorder is Recorder.OTHER_AGENT:
        return _of_other_agent(facts)
    if facts.recorder is Recorder.NO_AGENT:
        return _of_no_agent(facts, grace)
    return _of_unknown_agent(facts, grace)


def _of_this_agent(facts: LeaseFacts) -> Judgement:
    if facts.sandbox is SandboxState.NOT_ASKED:
        return Judgement(verdict=Verdict.ASK_SANDBOX)
    if facts.sandbox is SandboxState.ENDED:
        return _free("its sandbox on this node has ended")
    if facts.sandbox is SandboxState.LIVING:
        return _keep("its sandbox on this node is not known to have ended")
    if not facts.all_looked_at:
        return _keep("its network type could not say what is on this node")
    return _free("its network namespace and its interface are gone from this node")


def _of_other_agent(facts: LeaseFacts) -> Judgement:
    return Judgement(
        verdict=Verdict.KEEP,
        reason=f"node {facts.agent} took it, and only the agent there knows whether the interface is gone",
        remedy=f"start the agent of node {facts.agent}; if that node is gone for good, run `secnet node forget {facts.agent}`",
    )


def _of_no_agent(facts: LeaseFacts, grace: float) -> Judgement:
    """A ledger was lost, as by hand. If this agent is the only one there ever was, it was its own."""
    if not facts.alone:
        return Judgement(
            verdict=Verdict.KEEP,
            reason="no agent's ledger says which node took it",
            remedy="make sure that no node has its interface, and run `secnet node forget --unrecorded`",
        )
    if not facts.all_looked_at:
        return _keep("its network type could not say what is on this node")
    if facts.pod is PodState.NOT_ASKED:
        return Judgement(verdict=Verdict.ASK_POD)
    if facts.pod is PodState.ABSENT:
        return _free("its Pod is gone", grace)
    if facts.pod is PodState.HERE and facts.pod_sandbox is PodSandbox.ANOTHER:
        return _free("its Pod has another sandbox", grace)
    return _keep("its Pod exists, and no other sandbox of it is known")


def _of_unknown_agent(facts: LeaseFacts, grace: float) -> Judgement:
    if facts.pod is PodState.NOT_ASKED:
        return Judgement(verdict=Verdict.ASK_POD)
    if facts.pod is PodState.ABSENT:
        return _free("its Pod is gone from the API", grace)
    if facts.pod is PodState.ELSEWHERE:
        return _keep("its Pod is on another node, whose agent sees to it")
    if facts.sandbox is SandboxState.NOT_ASKED:
        return Judgement(verdict=Verdict.ASK_SANDBOX)
    if facts.sandbox is SandboxState.ENDED:
        return _free("its Pod is here in another sandbox", grace)
    return _keep("the container runtime of this node has its sandbox, or does not answer")


def _keep(reason: str) -> Judgement:
    return Judgement(verdict=Verdict.KEEP, reason=reason)


def _free(reason: str, after: float = 0.0) -> Judgement:
    return Judgement(verdict=Verdict.FREE, reason=reason, after=after)


class UnbrokenEvidence:
    """Since when the evidence about each lease is unbroken. Not thread-safe. now: seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._since: dict[LeaseKey, tuple[float, float]] = {}  # when it began, and for how long it must be so

    def seconds_left(self, lease: LeaseKey, judgement: Judgement, now: float) -> float | None:
        """In how many seconds the lease may be freed, 0 for now; None if it is kept, which breaks the evidence."""
        if judgement.verdict is not Verdict.FREE:
            self._since.pop(lease, None)
            return None
        since, _ = self._since.get(lease, (now, 0.0))
        self._since[lease] = since, judgement.after
        return max(0.0, since + judgement.after - now)

    def left_of(self, lease: LeaseKey, now: float) -> float | None:
        """The same by the last judgement; None without evidence."""
        found = self._since.get(lease)
        return None if found is None else max(0.0, sum(found) - now)

    def next_in(self, now: float) -> float | None:
        """In how many seconds the next lease may be freed; None without any."""
        return min((max(0.0, sum(found) - now) for found in self._since.values()), default=None)

    def forget(self, lease: LeaseKey) -> None:
        """It is freed."""
        self._since.pop(lease, None)

    def keep_only(self, ipam_type: str, leases: Collection[LeaseKey]) -> None:
        """Of this IPAM type there is evidence about these alone: the others are gone, or were kept without a judgement."""
        self._since = {key: found for key, found in self._since.items() if key[0] != ipam_type or key in leases}
