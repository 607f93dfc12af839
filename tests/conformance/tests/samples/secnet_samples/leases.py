"""A right IPAM backend: one object of kind IPPool holds the leases in its status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secnet.contract import (
    ADDRESS_OF_ANOTHER,
    CLUSTER_SCOPE,
    DIALECT,
    BackendInfo,
    Busy,
    Call,
    CheckReport,
    Conflict,
    Finding,
    InvalidConfig,
    IPAMBackend,
    IpamLease,
    IpamOwner,
    IpamRequest,
    LeaseAddress,
    ObjectKind,
    ObjectNotFound,
    ObjectRef,
    PodRef,
    ProbeReport,
    StoreConflict,
)

__all__ = ["CONFIG", "ListBackend"]

GATEWAY = "10.8.0.1"

IP_POOL = ObjectKind(kind="IPPool", group="crd.antrea.io", version="v1beta1", plural="ippools", scope=CLUSTER_SCOPE)

CONFIG: Mapping[str, Any] = {
    "$schema": DIALECT,
    "title": "List options",
    "description": "Options of the type list.",
    "type": "object",
    "additionalProperties": False,
    "required": ["pool"],
    "properties": {
        "pool": {
            "title": "Pool",
            "description": "Name of the pool.",
            "type": "string",
            "examples": ["blue"],
        },
        "size": {
            "title": "Size",
            "description": "How many addresses there are.",
            "type": "integer",
            "minimum": 1,
            "maximum": 250,
            "default": 100,
            "examples": [100],
        },
    },
}


class ListBackend(IPAMBackend):
    """Numbers from 10.8.0.2 on."""

    ipam_type = "list"

    @classmethod
    def describe(cls) -> BackendInfo:
        return BackendInfo(
            ipam_type=cls.ipam_type,
            summary="numbers in a list",
            config=CONFIG,
            kinds=(IP_POOL,),
            capabilities=frozenset({"ips"}),
            example={"pool": "blue"},
        )

    def probe(self) -> ProbeReport:
        return ProbeReport(ready=True)

    def validate(self, config: Mapping[str, Any]) -> None:
        if config["pool"] == "default":
            raise InvalidConfig("no pool may be called default", hint="choose another name", path="$.pool")

    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        while True:
            pool, entries = self.read(request.config)
            if held := [entry for entry in entries if self.holds(entry, request.owner)]:
                return self.lease(request, held)
            taken = {entry["ipAddress"] for entry in entries}
            entries += [self.entry(ip, request.owner) for ip in self.choose(request, taken)]
            if self.write(pool, entries, "lease.add", call):
                continue

    def choose(self, request: IpamRequest, taken: set[str]) -> list[str]:
        if request.ips:
            wanted = [ip.partition("/")[0] for ip in request.ips]
            if unknown := sorted(set(wanted).difference(self.known(request))):
                raise Conflict(f"{', '.join(unknown)} is not in the pool", hint="ask for an address of the pool")
            if doubled := taken.intersection(wanted):
                raise Conflict(f"{', '.join(sorted(doubled))} is taken", hint="ask for another address")
            return wanted
        if (first := next((ip for ip in self.known(request) if ip not in taken), None)) is None:
            raise Busy("every address is taken", hint="enlarge the pool", waits_for=self.awaited(request))
        return [first]

    def awaited(self, request: IpamRequest) -> tuple[ObjectRef, ...]:
        """What a refused request waits for."""
        return (IP_POOL.ref(request.config["pool"]),)

    def known(self, request: IpamRequest) -> list[str]:
        """All addresses that there are, in the order in which they are given."""
        return [f"10.8.0.{number}" for number in range(2, 2 + request.config.get("size", 100))]

    def read(self, config: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        assert self.objects is not None
        pool = self.objects.get("IPPool", config["pool"])
        return pool, list(pool.get("status", {}).get("ipAddresses", []))

    def write(self, pool: dict[str, Any], entries: list[dict[str, Any]], step: str, call: Call) -> bool:
        """Whether somebody else was faster, so that it must be done again."""
        assert self.objects is not None
        call.checkpoint()
        try:
            with call.step(step, pool=pool["metadata"]["name"]):
                self.objects.update_status({**pool, "status": {"ipAddresses": entries}})
        except StoreConflict:
            return True
        return False

    def entry(self, ip: str, owner: IpamOwner) -> dict[str, Any]:
        pod = (
            {"name": "", "namespace": "", "node": ""}
            if owner.pod is None
            else {"name": owner.pod.name, "namespace": owner.pod.namespace, "node": owner.pod.node}
        )
        where = {**pod, "containerID": owner.container_id, "ifName": owner.ifname}
        return {"ipAddress": ip, "phase": "Allocated", "owner": {"pod": where}}

    def holds(self, entry: Mapping[str, Any], owner: IpamOwner) -> bool:
        pod = entry["owner"]["pod"]
        return (pod["containerID"], pod["ifName"]) == (owner.container_id, owner.ifname)

    def lease(self, request: IpamRequest, entries: list[dict[str, Any]]) -> IpamLease:
        addresses = tuple(
            LeaseAddress(address=f"{entry['ipAddress']}/24", gateway=GATEWAY, pool=request.config["pool"])
            for entry in entries
        )
        return IpamLease(owner=request.owner, addresses=addresses)

    def check(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> CheckReport:
        try:
            _, entries = self.read(config)
        except ObjectNotFound:
            entries = []
        listed = {f"{entry['ipAddress']}/24" for entry in entries}
        held = {f"{entry['ipAddress']}/24" for entry in entries if self.holds(entry, lease.owner)}
        return CheckReport(
            findings=tuple(
                Finding(
                    code=ADDRESS_OF_ANOTHER if item.address in listed else "LeaseMissing",
                    message=f"{item.address} is not listed for its owner",
                )
                for item in lease.addresses
                if item.address not in held
            )
        )

    def release(self, request: IpamRequest, call: Call) -> None:
        """Looks in every pool: of a lost record the agent knows nothing but the owner."""
        assert self.objects is not None
        for pool in self.objects.list("IPPool"):
            self.drop(pool["metadata"]["name"], request.owner, call)

    def drop(self, name: str, owner: IpamOwner, call: Call) -> None:
        try:
            while True:
                pool, entries = self.read({"pool": name})
                kept = [entry for entry in entries if not self.holds(entry, owner)]
                if kept == entries or not self.write(pool, kept, "lease.remove", call):
                    return
        except ObjectNotFound:
            return

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        """Leases of this node's Pods, and those of which the entry does not say where the Pod is."""
        assert self.objects is not None
        found = []
        for pool in self.objects.list("IPPool"):
            for entry in pool.get("status", {}).get("ipAddresses", []):
                pod = entry["owner"]["pod"]
                if pod["node"] not in ("", self.host.node_name):
                    continue
                where = {key: pod[key] for key in ("namespace", "name", "node")}
                ref = PodRef(**where, uid="") if pod["name"] else None
                owner = IpamOwner(container_id=pod["containerID"], ifname=pod["ifName"], pod=ref)
                address = LeaseAddress(
                    address=f"{entry['ipAddress']}/24", gateway=GATEWAY, pool=pool["metadata"]["name"]
                )
                found.append(IpamLease(owner=owner, addresses=(address,)))
        return tuple(found)
