"""The contract of an IPAM backend: entry-point group `secnet.ipam`, entry-point name == `ipam.type` in the NAD."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .call import Call, HostContext
from .codec import freeze
from .lease import IpamLease, IpamRequest
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
    config: schema fragment of its keys in the NAD's `ipam` section (all but `type`).
    phase: `before_link`, or `after_link` for protocols that need the interface to be up (DHCP).
    kinds: kinds of cluster objects it reads or updates, such as `IPPool`; it gets an ObjectStore exactly when non-empty.
    allocates: False for a backend that hands out what the NAD says and records nothing (`static`).
    """

    ipam_type: str
    summary: str
    contract: int = FIRST_VERSION
    config: Mapping[str, Any] = field(default_factory=lambda: EMPTY_FRAGMENT)
    phase: str = "before_link"
    kinds: tuple[str, ...] = ()
    capabilities: frozenset[str] = frozenset()
    allocates: bool = True
    example: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("config", "example"):
            object.__setattr__(self, name, freeze(getattr(self, name)))


class IPAMBackend(ABC):
    """Gives addresses to attachments. Thread-safe; several processes and nodes may use the same store at once."""

    def __init__(self, host: HostContext, objects: ObjectStore | None = None) -> None:
        self.host = host
        self.objects = objects

    @classmethod
    @abstractmethod
    def describe(cls) -> BackendInfo:
        """What this backend is. Pure."""

    @abstractmethod
    def probe(self) -> ProbeReport:
        """Whether it can work here. Read-only; not ready is a value."""

    def validate(self, config: Mapping[str, Any]) -> None:
        """Refuse what a JSON schema cannot express (CIDRs, families). Offline and pure; raises InvalidConfig with a path."""

    @classmethod
    def validate_objects(cls, objects: Sequence[Mapping[str, Any]]) -> Iterator[ObjectFinding]:
        """Look at a set of cluster objects offline and say what is wrong with those of its kinds (`secnet validate`)."""
        return iter(())

    @abstractmethod
    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        """Give a lease: all addresses or none. The same owner gets the same lease again.

        Raises Busy when a pool is full, ObjectNotFound when a pool does not exist, Conflict when a requested address is taken,
        Unsupported or InvalidConfig when the request can never be met. Each write to a store stands in a `call.step`.
        """

    def check(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> CheckReport:
        """Whether the store still holds the lease for its owner. Read-only."""
        return CheckReport()

    def renew(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> IpamLease:
        """Prolong a lease that expires; backends without expiry return it unchanged."""
        return lease

    @abstractmethod
    def release(self, request: IpamRequest, call: Call) -> None:
        """Give back whatever the owner holds. Succeeds when nothing is held or the pool is gone; may be repeated.

        `request.config` may differ from that of the allocation, and is empty when only `inventory` knew of the lease.
        """

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        """Every lease that this node's Pods hold in the store, by any process. Read-only."""
        return ()

    def close(self) -> None:
        """Leave no thread, file descriptor or socket behind. May be called twice."""
