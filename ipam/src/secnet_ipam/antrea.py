"""The backend of `ipam.type: antrea`: addresses out of IPPools, recorded in their status as Antrea does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from secnet.contract import (
    BackendInfo,
    Call,
    CheckReport,
    HostContext,
    InvalidConfig,
    IPAMBackend,
    IpamLease,
    IpamRequest,
    LeaseOutline,
    NotReady,
    ObjectFinding,
    ObjectNotFound,
    ObjectStore,
    PoolUsage,
    ProbeReport,
    SecnetError,
)

from .allocation import Allocation
from .config import IpamConfig, outline, read_config
from .entries import owned_by, raw_entries
from .fragments import antrea_fragment
from .leases import check_lease, rebuild_leases
from .pool import IP_POOL, pool_name, read_spec
from .store import PoolStore
from .subjects import blaming, network_subject
from .usage import usage_of
from .validation import is_pool, validate_pools

__all__ = ["AntreaBackend"]


class AntreaBackend(IPAMBackend):
    """One address of each listed IPPool, plus the NAD's own addresses, routes and DNS (docs/ipam.md)."""

    def __init__(self, host: HostContext, objects: ObjectStore | None = None) -> None:
        super().__init__(host, objects)
        self._pools = PoolStore(objects) if objects is not None else None

    @classmethod
    def describe(cls) -> BackendInfo:
        """What this backend is."""
        return BackendInfo(
            ipam_type="antrea",
            summary="addresses out of IPPools (crd.antrea.io/v1beta1), with Antrea's record of who has which",
            config=antrea_fragment(),
            kinds=(IP_POOL,),
            capabilities=frozenset({"ips"}),
            example={"ippools": ["vlan100-ipv4", "vlan100-ipv6"], "routes": [{"dst": "192.168.0.0/16"}]},
        )

    def probe(self) -> ProbeReport:
        """Ready when IPPools can be listed."""
        try:
            found = len(self._store().all())
        except SecnetError as exc:
            return ProbeReport(ready=False, message=str(exc))
        return ProbeReport(ready=True, message=f"{found} IPPools")

    def validate(self, config: Mapping[str, Any]) -> None:
        """Refuse addresses, gateways and routes that are none, and a section that can give no address at all."""
        _read(config)

    @classmethod
    def validate_objects(cls, objects: Sequence[Mapping[str, Any]]) -> Iterator[ObjectFinding]:
        """What is wrong with the IPPools among `objects`, overlaps between them included."""
        return validate_pools(objects)

    def outline(self, config: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> LeaseOutline:
        """The subnets of the pools that are among the objects, those of the addresses listed, and the routes."""
        read = _read(config)
        pools = (
            read_spec(obj, lambda finding: None) for obj in objects if is_pool(obj) and pool_name(obj) in read.ippools
        )
        return outline(read, [pool.subnet_text for pool in pools if pool is not None])

    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        """Give one address of each pool. See docs/ipam.md for what happens when pools are full, overlap or go away."""
        if not request.owner.container_id or not request.owner.ifname:
            # Antrea takes entries without interface name for primary interfaces.
            raise InvalidConfig(
                "a lease needs the sandbox and the interface it is for",
                hint="this is a fault of the caller: report it",
                subject=network_subject(request.network),
                path="owner",
            )
        with blaming(network_subject(request.network)):
            config = _read(request.config)
        return Allocation(self._store(), request, config, call).run()

    def check(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> CheckReport:
        """Whether each pool still lists the lease's address for its owner."""
        return CheckReport(findings=tuple(check_lease(self._store(), lease)))

    def release(self, request: IpamRequest, call: Call) -> None:
        """Release what the owner holds in the pools of the NAD, and in any other pool: the NAD may have been edited."""
        store, owner = self._store(), request.owner
        pools = store.all()
        named = [name for name in request.config.get("ippools", ()) if name in pools]
        failed: SecnetError | None = None
        for name in dict.fromkeys((*named, *pools)):
            if any(owned_by(entry, owner) for entry in raw_entries(pools[name])):
                failed = _try_drop(store, name, request, call, pools[name]) or failed
        if failed is not None:
            raise failed

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        """Every lease of a secondary interface in any pool. Entries do not name a node: the caller knows its Pods."""
        return rebuild_leases(self._store().all().values())

    def pool_usage(self, requests: Sequence[IpamRequest], call: Call) -> tuple[PoolUsage, ...]:
        """By the counters of each IPPool that the requests list."""
        found = []
        for name in sorted({name for request in requests for name in request.config.get("ippools", ())}):
            call.checkpoint()
            with suppress(ObjectNotFound):
                found.append(usage_of(self._store().get(name)))
        return tuple(found)

    def _store(self) -> PoolStore:
        if self._pools is None:
            hint = "give the backend an object store"
            raise NotReady("IPAM type antrea was made without access to IPPools", hint=hint, subject="ipam.type antrea")
        return self._pools


def _read(config: Mapping[str, Any]) -> IpamConfig:
    found = read_config(config)
    if not found.ippools and not found.addresses:
        raise InvalidConfig(
            "neither ippools nor addresses: the interface would get no address",
            hint="list IPPools or addresses, or leave ipam out for a network without addresses",
            path="$.ipam",
        )
    return found


def _try_drop(
    store: PoolStore, name: str, request: IpamRequest, call: Call, seen: dict[str, Any]
) -> SecnetError | None:
    """One pool that fails keeps no address of another."""
    try:
        store.drop(name, request.owner, call, seen=seen)
    except SecnetError as exc:
        call.log.debug("IPPool %s could not be released: %s", name, exc)
        return exc
    return None
