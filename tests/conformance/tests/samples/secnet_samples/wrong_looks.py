"""IPAM backends that look wrongly in one way each: they miss something, or change what they look at."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from secnet.contract import Call, CheckReport, Finding, IpamLease, ObjectFinding, ObjectNotFound, ProbeReport

from .leases import ListBackend

__all__ = [
    "ChecksByAddress",
    "FaultsAnyObject",
    "ListsEight",
    "LosesSecondInterface",
    "NamesNoOther",
    "RepairsInCheck",
    "ValidatesOnline",
    "WritesInInventory",
    "WritesInProbe",
]


class ChecksByAddress(ListBackend):
    """check finds nothing for as long as anybody has the address."""

    ipam_type = "checks-by-address"

    def check(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> CheckReport:
        entries: list[dict[str, Any]] = []
        with suppress(ObjectNotFound):
            _, entries = self.read(config)
        held = {f"{entry['ipAddress']}/24" for entry in entries}
        lost = [item.address for item in lease.addresses if item.address not in held]
        return CheckReport(findings=tuple(Finding(code="LeaseMissing", message=f"{ip} is not listed") for ip in lost))


class NamesNoOther(ListBackend):
    """check has a code of its own for an address that another owner has."""

    ipam_type = "names-no-other"

    def check(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> CheckReport:
        found = super().check(lease, config, call).findings
        return CheckReport(findings=tuple(dataclasses.replace(item, code="LeaseMissing") for item in found))


class LosesSecondInterface(ListBackend):
    """The inventory lists one lease of each sandbox."""

    ipam_type = "loses-second-interface"

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        found: dict[str, IpamLease] = {}
        for lease in super().inventory(call):
            found.setdefault(lease.owner.container_id, lease)
        return tuple(found.values())


class ListsEight(ListBackend):
    """The inventory ends after eight leases, as one that asks for the first page only."""

    ipam_type = "lists-eight"

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        return super().inventory(call)[:8]


class RepairsInCheck(ListBackend):
    """check writes down again what it misses."""

    ipam_type = "repairs-in-check"

    def check(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> CheckReport:
        pool, entries = self.read(config)
        listed = {entry["ipAddress"] for entry in entries}
        plain = [item.address.partition("/")[0] for item in lease.addresses]
        if lost := [self.entry(ip, lease.owner) for ip in plain if ip not in listed]:
            self.write(pool, entries + lost, "lease.add", call)
        return super().check(lease, config, call)


class WritesInInventory(ListBackend):
    """The inventory notes in the pool how much it found."""

    ipam_type = "writes-in-inventory"

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        assert self.objects is not None
        found = super().inventory(call)
        for pool in self.objects.list("IPPool"):
            status = {**pool.get("status", {}), "usage": {"used": len(found), "total": 100}}
            self.objects.update_status({**pool, "status": status})
        return found


class WritesInProbe(ListBackend):
    """probe tries whether it may write by writing."""

    ipam_type = "writes-in-probe"

    def probe(self) -> ProbeReport:
        if self.objects is not None:
            for pool in self.objects.list("IPPool"):
                used = pool.get("status", {}).get("usage", {}).get("used", 0)
                self.objects.update_status({**pool, "status": {**pool.get("status", {}), "usage": {"used": used + 1}}})
        return super().probe()


class ValidatesOnline(ListBackend):
    """validate needs the store, which the core has not when it validates."""

    ipam_type = "validates-online"

    def validate(self, config: Mapping[str, Any]) -> None:
        assert self.objects is not None
        self.objects.list("IPPool")
        super().validate(config)


class FaultsAnyObject(ListBackend):
    """Finds fault with every pool."""

    ipam_type = "faults-any-object"

    @classmethod
    def validate_objects(cls, objects: Sequence[Mapping[str, Any]]) -> Iterator[ObjectFinding]:
        for item in objects:
            yield item, "$.spec", "it is not to our taste", "write another one"
