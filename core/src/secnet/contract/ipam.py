"""The contract of an IPAM backend: entry-point group `secnet.ipam`, entry-point name == `ipam.type` in the NAD.

What `secnet.contract.driver` says of calls and their deadlines holds here too. Between two tries of a write that others keep
winning, a backend waits by `call.sleep`, which ends with the call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .call import Call, HostContext
from .codec import freeze
from .doctor import DoctorResult
from .kinds import ObjectKind
from .lease import IpamLease, IpamRequest, LeaseOutline
from .metrics import Metric, PoolUsage
from .needs import Needs
from .reports import CheckReport, ProbeReport
from .schema import EMPTY_FRAGMENT
from .store import ObjectStore
from .version import FIRST_VERSION

__all__ = ["BACKEND_CAPABILITIES", "BackendInfo", "IPAMBackend", "ObjectFinding"]

ObjectFinding = tuple[Mapping[str, Any], str, str, str]
"""The object at fault, the JSON path in it, what is wrong, what to do."""

BACKEND_CAPABILITIES = frozenset({"ips"})
"""`ips`: honours addresses that the Pod's annotation insists on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendInfo:
    """What a backend is, as data.

    contract: the contract version it is made for. Silence means version 1, in every later version of the contract too.
    config: schema fragment of its keys in the NAD's `ipam` section (all but `type`); node: fragment of its section
    `ipam.TYPE` in the node configuration, which it gets as `HostContext.config`. An absent section is `{}` and is not checked.
    phase: `before_link`, or `after_link` for protocols that need the interface to be up (DHCP).
    kinds: kinds of cluster objects that it reads, or whose status it writes; it gets an ObjectStore exactly when non-empty.
    needs: what it needs of the node, for `secnet doctor` and `secnet drivers`.
    allocates: False for a backend that hands out what the NAD says and records nothing (`static`).
    """

    ipam_type: str
    summary: str
    contract: int = FIRST_VERSION
    config: Mapping[str, Any] = field(default_factory=lambda: EMPTY_FRAGMENT)
    node: Mapping[str, Any] = field(default_factory=lambda: EMPTY_FRAGMENT)
    phase: str = "before_link"
    kinds: tuple[ObjectKind, ...] = ()
    capabilities: frozenset[str] = frozenset()
    allocates: bool = True
    needs: Needs = field(default_factory=Needs)
    example: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("config", "node", "example"):
            object.__setattr__(self, name, freeze(getattr(self, name)))


class IPAMBackend(ABC):
    """Gives addresses to attachments. Thread-safe; several processes and nodes may use the same store at once."""

    def __init__(self, host: HostContext, objects: ObjectStore | None = None) -> None:
        self.host = host
        self.objects = objects

    @classmethod
    @abstractmethod
    def describe(cls) -> BackendInfo:
        """What this backend is. Pure: no I/O, the same answer each time, so there is nothing to wait for and no deadline."""

    @abstractmethod
    def probe(self) -> ProbeReport:
        """Whether it can work here. Read-only; not ready is a value.

        It gets no deadline and has to bring its own: what does not answer within 2 s is not ready. The store ends by itself.
        """

    def validate(self, config: Mapping[str, Any]) -> None:
        """Refuse what a JSON schema cannot express (CIDRs, families); `config` is valid by the schema.

        Offline and pure: no store is asked, and there is no deadline. Raises InvalidConfig with a path below `$.ipam`.
        """

    @classmethod
    def validate_objects(cls, objects: Sequence[Mapping[str, Any]]) -> Iterator[ObjectFinding]:
        """Check a set of cluster objects offline and report findings about those of its kinds (`secnet validate`).

        Pure: it depends on the objects given, and has no deadline.
        """
        return iter(())

    def outline(self, config: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> LeaseOutline:
        """What leases of this config will look like, as far as it and these objects show (`secnet validate`).

        Offline, pure and without a deadline, as `validate`, which `config` has passed. The objects may be ill-formed. What is not
        known is left out.
        """
        return LeaseOutline()

    @abstractmethod
    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        """Give a lease: all addresses or none. The same owner gets the same lease again.

        Raises Busy when a pool is full, ObjectNotFound when a pool does not exist, Conflict when a requested address is taken,
        Unsupported or InvalidConfig when the request can never be met. An error names in `waits_for` the objects whose change
        may end it. Each write to a store stands in a `call.step`.

        At the deadline it raises Timeout, when withdrawn Cancelled. What it wrote by then it takes back by `call.undo`, which
        has a deadline of its own; what that does not reach, `release` does.
        """

    def check(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> CheckReport:
        """Whether the store still holds the lease for its owner. Read-only.

        An address that it holds for another owner is a finding with the code ADDRESS_OF_ANOTHER. What could not be read before
        the deadline is no finding: it raises Timeout, or Cancelled when withdrawn.
        """
        return CheckReport()

    def renew(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> IpamLease:
        """Prolong a lease that expires: the same lease with a later end. Backends without expiry return it unchanged.

        The core calls it from `lease.renew_at` on and records what it returns; owner, addresses and VLANs stay the same.
        At the deadline it raises Timeout, when withdrawn Cancelled: the lease then has its former end, and the core tries again.
        """
        return lease

    @abstractmethod
    def release(self, request: IpamRequest, call: Call) -> None:
        """Release everything that the owner holds. Succeeds when nothing is held or the pool is gone; may be repeated.

        `request.config` may differ from that of the allocation, and is empty when only `inventory` knew of the lease.

        Success means that nothing is held, since the record is dropped after it. What is not released at the deadline raises
        Timeout, or Cancelled when withdrawn; the core calls again with a new deadline.
        """

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        """Every lease that this node's Pods hold in the store, by any process. Read-only.

        It is complete or it raises: at the deadline Timeout, when withdrawn Cancelled.
        """
        return ()

    def doctor(self, call: Call) -> tuple[DoctorResult, ...]:
        """What `secnet doctor` is to say beyond `describe().needs` and `probe`, which it asks by itself.

        Read-only; works beside a running agent and without one. Trouble is a result, not an exception. What could not be looked
        at before the deadline is a result with WARN, or raises Timeout, or Cancelled when withdrawn.
        """
        return ()

    def pool_usage(self, requests: Sequence[IpamRequest], call: Call) -> tuple[PoolUsage, ...]:
        """How full the pools are that these requests name: those of this node's attachments, one by one as they were allocated.

        Read-only; it may ask the store, since the core calls it in a thread of its own, at most every 30 s.
        A pool that is gone is left out. At the deadline it raises Timeout, when withdrawn Cancelled: the metrics then keep the
        values that they had.
        """
        return ()

    def metrics(self, call: Call) -> tuple[Metric, ...]:
        """Values for the agent's metrics, as they are now. Asked at each scrape, of the instance that allocates.

        Read-only, and quick: no store is asked. The deadline is that of the scrape, a second: it raises Timeout, or Cancelled
        when withdrawn, and the page then lacks these values.
        """
        return ()

    def close(self) -> None:
        """Leave no thread, file descriptor or socket behind. May be called twice.

        It gets no deadline and waits at most 2 s for what still runs.
        """
