"""IPAM backends that are wrong in one way each; the docstring says in which."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from secnet.contract import BackendInfo, Call, CheckReport, IpamLease, IpamOwner, IpamRequest, ObjectNotFound, ObjectRef

from .leases import ListBackend

__all__ = [
    "DoublesWhenFull",
    "FindsAllWell",
    "ForgetsOwner",
    "ForgetsPods",
    "GivesAnyIp",
    "GivesBroadcast",
    "GivesGateway",
    "GivesNetwork",
    "GivesWhatIsTaken",
    "HidesLeases",
    "IgnoresInterface",
    "IgnoresIps",
    "KnowsPodsOnly",
    "RefusesSecondRelease",
    "ReleasesByPrefix",
    "RemembersInMemory",
    "TakesInTwoWrites",
    "WaitsForNothing",
    "WritesUnseen",
]


class ForgetsOwner(ListBackend):
    """The same owner gets another address each time."""

    ipam_type = "forgets-owner"

    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        while True:
            pool, entries = self.read(request.config)
            taken = {entry["ipAddress"] for entry in entries}
            new = [self.entry(ip, request.owner) for ip in self.choose(request, taken)]
            if not self.write(pool, entries + new, "lease.add", call):
                return self.lease(request, new)


class IgnoresInterface(ListBackend):
    """Two interfaces of one sandbox share a lease."""

    ipam_type = "ignores-interface"

    def holds(self, entry: Mapping[str, Any], owner: IpamOwner) -> bool:
        return bool(entry["owner"]["pod"]["containerID"] == owner.container_id)


class DoublesWhenFull(ListBackend):
    """Starts again from the first address when all are taken."""

    ipam_type = "doubles-when-full"

    def choose(self, request: IpamRequest, taken: set[str]) -> list[str]:
        return super().choose(request, taken if len(taken) < len(self.known(request)) else set())


class WaitsForNothing(ListBackend):
    """A full pool says that it is full, and not which object a retry waits for."""

    ipam_type = "waits-for-nothing"

    def awaited(self, request: IpamRequest) -> tuple[ObjectRef, ...]:
        return ()


class GivesWhatIsTaken(ListBackend):
    """An address that a Pod insists on is given, whoever has it."""

    ipam_type = "gives-what-is-taken"

    def choose(self, request: IpamRequest, taken: set[str]) -> list[str]:
        return super().choose(request, set() if request.ips else taken)


class RefusesSecondRelease(ListBackend):
    """A release of nothing is an error."""

    ipam_type = "refuses-second-release"

    def release(self, request: IpamRequest, call: Call) -> None:
        _, entries = self.read(request.config)
        if not any(self.holds(entry, request.owner) for entry in entries):
            raise ObjectNotFound("nothing is held", hint="release once")
        super().release(request, call)


class HidesLeases(ListBackend):
    """The inventory is empty, whoever lives."""

    ipam_type = "hides-leases"

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        return ()


class FindsAllWell(ListBackend):
    """check never misses anything."""

    ipam_type = "finds-all-well"

    def check(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> CheckReport:
        return CheckReport()


class RemembersInMemory(ListBackend):
    """Knows the owners of its leases only as long as the instance lives: a new one gives everything again."""

    ipam_type = "remembers-in-memory"

    def entry(self, ip: str, owner: IpamOwner) -> dict[str, Any]:
        vars(self).setdefault("memory", {})[ip] = (owner.container_id, owner.ifname)
        return super().entry(ip, dataclasses.replace(owner, container_id=f"of-{ip}"))

    def holds(self, entry: Mapping[str, Any], owner: IpamOwner) -> bool:
        remembered = vars(self).get("memory", {}).get(entry["ipAddress"])
        return bool(remembered == (owner.container_id, owner.ifname))


class TakesInTwoWrites(ListBackend):
    """Takes the address first and writes down for whom afterwards: a crash between the two loses it."""

    ipam_type = "takes-in-two-writes"

    def write(self, pool: dict[str, Any], entries: list[dict[str, Any]], step: str, call: Call) -> bool:
        nobody = IpamOwner(container_id="nobody", ifname="nothing")
        known = {entry["ipAddress"] for entry in pool.get("status", {}).get("ipAddresses", [])}
        half = [entry if entry["ipAddress"] in known else self.entry(entry["ipAddress"], nobody) for entry in entries]
        if step != "lease.add":
            return super().write(pool, entries, step, call)
        if super().write(pool, half, "lease.take", call):
            return True
        while True:
            assert self.objects is not None
            now = self.objects.get("IPPool", pool["metadata"]["name"])
            listed = now["status"]["ipAddresses"]
            mine = {entry["ipAddress"]: entry for entry in entries if entry["ipAddress"] not in known}
            if not super().write(now, [mine.get(entry["ipAddress"], entry) for entry in listed], "lease.own", call):
                return False


class WritesUnseen(ListBackend):
    """Writes outside of any step."""

    ipam_type = "writes-unseen"

    def write(self, pool: dict[str, Any], entries: list[dict[str, Any]], step: str, call: Call) -> bool:
        return super().write(pool, entries, step, Call(deadline=call.deadline, cancel=call.cancel))


class IgnoresIps(ListBackend):
    """Declares that it honours addresses that a Pod insists on, and gives others."""

    ipam_type = "ignores-ips"

    @classmethod
    def describe(cls) -> BackendInfo:
        return dataclasses.replace(super().describe(), summary="gives what it likes")

    def choose(self, request: IpamRequest, taken: set[str]) -> list[str]:
        return super().choose(dataclasses.replace(request, ips=()), taken)


class GivesGateway(ListBackend):
    """Takes the gateway for an address like any other."""

    ipam_type = "gives-gateway"

    def known(self, request: IpamRequest) -> list[str]:
        return ["10.8.0.1", *super().known(request)[:-1]]


class GivesNetwork(ListBackend):
    """Begins with the address of the network itself."""

    ipam_type = "gives-network"

    def known(self, request: IpamRequest) -> list[str]:
        return ["10.8.0.0", *super().known(request)[:-1]]


class GivesBroadcast(ListBackend):
    """Knows nothing of broadcasts, and comes to that address when others are taken."""

    ipam_type = "gives-broadcast"

    def known(self, request: IpamRequest) -> list[str]:
        return [*super().known(request)[:-1], "10.8.0.255"]


class GivesAnyIp(ListBackend):
    """An address that a Pod insists on is given, whether it is in the pool or not."""

    ipam_type = "gives-any-ip"

    def known(self, request: IpamRequest) -> list[str]:
        return [*super().known(request), *(ip.partition("/")[0] for ip in request.ips)]


class KnowsPodsOnly(ListBackend):
    """Two sandboxes of one Pod are the same owner."""

    ipam_type = "knows-pods-only"

    def holds(self, entry: Mapping[str, Any], owner: IpamOwner) -> bool:
        pod = entry["owner"]["pod"]
        if owner.pod is None:
            return super().holds(entry, owner)
        theirs = (pod["namespace"], pod["name"], pod["ifName"])
        return bool(theirs == (owner.pod.namespace, owner.pod.name, owner.ifname))


class ReleasesByPrefix(ListBackend):
    """Gives back all whose names begin like the owner's: eth10 with eth1."""

    ipam_type = "releases-by-prefix"

    def drop(self, name: str, owner: IpamOwner, call: Call) -> None:
        for entry in self.read({"pool": name})[1]:
            pod = entry["owner"]["pod"]
            if pod["containerID"].startswith(owner.container_id) and pod["ifName"].startswith(owner.ifname):
                mine = dataclasses.replace(owner, container_id=pod["containerID"], ifname=pod["ifName"])
                super().drop(name, mine, call)


class ForgetsPods(ListBackend):
    """The inventory says which sandbox has a lease, and not of which Pod."""

    ipam_type = "forgets-pods"

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        found = super().inventory(call)
        return tuple(dataclasses.replace(lease, owner=dataclasses.replace(lease.owner, pod=None)) for lease in found)
