"""IPAM backends that give back wrongly, in one way each, or say that they did."""

from __future__ import annotations

from contextlib import suppress

from secnet.contract import Call, IpamOwner, IpamRequest, ObjectNotFound, SecnetError, StoreConflict, Unavailable

from .leases import ListBackend

__all__ = [
    "FreesTheOldest",
    "ReleaseLivelocks",
    "ReleasesByMemory",
    "SkipsGoingPools",
    "SwallowsEnds",
    "SwallowsStoreErrors",
    "TrustsLostAnswers",
]


class SwallowsEnds(ListBackend):
    """A release whose time is over, or that was withdrawn, reports success and does nothing."""

    ipam_type = "swallows-ends"

    def release(self, request: IpamRequest, call: Call) -> None:
        try:
            call.checkpoint()
        except SecnetError:
            return
        super().release(request, call)


class SwallowsStoreErrors(ListBackend):
    """A release that meets an error, such as a store that does not serve it, reports success."""

    ipam_type = "swallows-store-errors"

    def release(self, request: IpamRequest, call: Call) -> None:
        call.checkpoint()
        with suppress(Exception):
            super().release(request, call)


class FreesTheOldest(ListBackend):
    """A release of an owner that holds nothing frees the oldest lease of all."""

    ipam_type = "frees-the-oldest"

    def drop(self, name: str, owner: IpamOwner, call: Call) -> None:
        with suppress(ObjectNotFound):
            while True:
                pool, entries = self.read({"pool": name})
                kept = [entry for entry in entries if not self.holds(entry, owner)]
                if kept == entries:
                    kept = entries[1:]
                if kept == entries or not self.write(pool, kept, "lease.remove", call):
                    return


class ReleasesByMemory(ListBackend):
    """An instance releases the addresses that it once gave to the owner, whoever has them by now."""

    ipam_type = "releases-by-memory"

    def entry(self, ip: str, owner: IpamOwner) -> dict[str, object]:
        given = vars(self).setdefault("given", {})
        given.setdefault((owner.container_id, owner.ifname), set()).add(ip)
        return super().entry(ip, owner)

    def drop(self, name: str, owner: IpamOwner, call: Call) -> None:
        given = vars(self).get("given", {}).get((owner.container_id, owner.ifname), set())
        with suppress(ObjectNotFound):
            while True:
                pool, entries = self.read({"pool": name})
                kept = [item for item in entries if item["ipAddress"] not in given and not self.holds(item, owner)]
                if kept == entries or not self.write(pool, kept, "lease.remove", call):
                    return


class TrustsLostAnswers(ListBackend):
    """Gives back in two writes, and takes one that has no answer for the last."""

    ipam_type = "trusts-lost-answers"

    def drop(self, name: str, owner: IpamOwner, call: Call) -> None:
        with suppress(ObjectNotFound, Unavailable):
            while True:
                pool, entries = self.read({"pool": name})
                others = [entry for entry in entries if not self.holds(entry, owner)]
                if others == entries:
                    return
                going = [entry | ({"phase": "Reserved"} if self.holds(entry, owner) else {}) for entry in entries]
                if going == entries:
                    self.write(pool, others, "lease.remove", call)
                else:
                    self.write(pool, going, "lease.mark", call)


class SkipsGoingPools(ListBackend):
    """Gives nothing back to a pool that was deleted and stays for its last lease."""

    ipam_type = "skips-going-pools"

    def drop(self, name: str, owner: IpamOwner, call: Call) -> None:
        with suppress(ObjectNotFound):
            pool, _ = self.read({"pool": name})
            if "deletionTimestamp" not in pool["metadata"]:
                super().drop(name, owner, call)


class ReleaseLivelocks(ListBackend):
    """A release repeats its write without a look at the call for as long as others are faster."""

    ipam_type = "release-livelocks"

    def drop(self, name: str, owner: IpamOwner, call: Call) -> None:
        assert self.objects is not None
        call.checkpoint()
        with suppress(ObjectNotFound):
            while True:
                pool, entries = self.read({"pool": name})
                kept = [entry for entry in entries if not self.holds(entry, owner)]
                if kept == entries:
                    return
                with suppress(StoreConflict), call.step("lease.remove"):
                    self.objects.update_status({**pool, "status": {"ipAddresses": kept}})
