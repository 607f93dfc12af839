"""IPAM backends that record wrongly in one way each: too much, too often, or what they cannot read later."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from secnet.contract import BackendInfo, Call, IpamLease, IpamOwner, IpamRequest, StoreConflict

from .leases import ListBackend

__all__ = [
    "ForgetsGateway",
    "GivesBroadcastLate",
    "HoldsFdAfterRefusal",
    "KeepsDescriptors",
    "OneForAll",
    "ReadsUndeclared",
    "RecordsUndeclared",
    "TakesArguments",
    "TwoWritesInOneStep",
]


class RecordsUndeclared(ListBackend):
    """Says that it records nothing, and does."""

    ipam_type = "records-undeclared"

    @classmethod
    def describe(cls) -> BackendInfo:
        return dataclasses.replace(super().describe(), allocates=False)


class TwoWritesInOneStep(ListBackend):
    """Takes the address for no one and writes down for whom, both in one step: a crash between the two loses it."""

    ipam_type = "two-writes-in-one-step"

    def write(self, pool: dict[str, Any], entries: list[dict[str, Any]], step: str, call: Call) -> bool:
        if step != "lease.add":
            return super().write(pool, entries, step, call)
        assert self.objects is not None
        call.checkpoint()
        nobody = IpamOwner(container_id="nobody", ifname="nothing")
        known = {entry["ipAddress"] for entry in pool.get("status", {}).get("ipAddresses", [])}
        half = [entry if entry["ipAddress"] in known else self.entry(entry["ipAddress"], nobody) for entry in entries]
        mine = {entry["ipAddress"]: entry for entry in entries if entry["ipAddress"] not in known}
        with call.step(step):
            # A harmless write comes first: a store that loses its first answer would show the other two.
            try:
                status = {"ipAddresses": entries[: len(known)]}
                pool = self.objects.update_status({**pool, "status": {**status, "usage": {"total": 1}}})
                pool = self.objects.update_status({**pool, "status": {"ipAddresses": half}})
            except StoreConflict:
                return True
            while True:
                listed = [mine.get(entry["ipAddress"], entry) for entry in pool["status"]["ipAddresses"]]
                try:
                    self.objects.update_status({**pool, "status": {"ipAddresses": listed}})
                except StoreConflict:
                    pool = self.objects.get("IPPool", pool["metadata"]["name"])
                else:
                    return False


class HoldsFdAfterRefusal(ListBackend):
    """What an allocation opened is closed only if it succeeds."""

    ipam_type = "holds-fd-after-refusal"

    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        number = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        lease = super().allocate(request, call)
        os.close(number)
        return lease


class KeepsDescriptors(ListBackend):
    """Each allocation leaves a descriptor, and close leaves all of them."""

    ipam_type = "keeps-descriptors"

    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        vars(self).setdefault("kept", []).append(os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        return super().allocate(request, call)

    def __del__(self) -> None:
        for number in vars(self).get("kept", []):
            os.close(number)


class OneForAll(ListBackend):
    """Every owner gets the first address."""

    ipam_type = "one-for-all"

    def choose(self, request: IpamRequest, taken: set[str]) -> list[str]:
        return super().choose(request, set())


class ReadsUndeclared(ListBackend):
    """Asks for objects of a kind that it does not declare: the agent may not read those."""

    ipam_type = "reads-undeclared"

    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        assert self.objects is not None
        self.objects.list("NetworkAttachmentDefinition")
        return super().allocate(request, call)


class ForgetsGateway(ListBackend):
    """The lease does not say the gateway of the pool."""

    ipam_type = "forgets-gateway"

    def lease(self, request: IpamRequest, entries: list[dict[str, Any]]) -> IpamLease:
        lease = super().lease(request, entries)
        addresses = tuple(dataclasses.replace(item, gateway=None) for item in lease.addresses)
        return dataclasses.replace(lease, addresses=addresses)


class GivesBroadcastLate(ListBackend):
    """Knows nothing of broadcasts; no one comes to that address but who insists on it."""

    ipam_type = "gives-broadcast-late"

    def known(self, request: IpamRequest) -> list[str]:
        found = super().known(request)
        return [*found[:-1], "10.8.0.255"] if request.config.get("size", 100) > 20 else found


class TakesArguments(ListBackend):
    """renew takes any arguments, and one by name that the core does not give."""

    ipam_type = "takes-arguments"

    def renew(self, *arguments: Any, strict: bool) -> IpamLease:  # type: ignore[override]
        lease: IpamLease = arguments[0]
        return lease
