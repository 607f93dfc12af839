"""What a backend lists of its leases."""

from __future__ import annotations

import dataclasses
from typing import Any

from secnet.contract import IpamOwner, NetworkRef

from .lab import BackendLab, BackendTests, addresses_of, recording, unchanged

__all__ = ["Inventory"]

_MANY = 20


class Inventory(BackendTests):
    """What the agent compares with its records after a restart."""

    group = "inventory"

    @staticmethod
    def why_not(case: Any) -> str:
        """Only what records can be listed."""
        return recording(case)

    def test_it_lists_the_leases_of_the_living_with_all_addresses(self, lab: BackendLab) -> None:
        """Many of them, of which two are of one sandbox, and no others."""
        known = {item.owner for item in lab.backend().inventory(lab.call())}
        requests = [lab.request() for _ in range(_MANY)]
        first = requests[0].owner
        requests.append(lab.request(owner=dataclasses.replace(first, ifname="eth2")))
        leases = [lab.allocate(request) for request in requests]
        found = lab.backend().inventory(lab.call())
        for lease in leases:
            wanted = sorted(item.address for item in lease.addresses)
            assert addresses_of(found, lease.owner) == wanted, f"the inventory misses addresses of {lease.owner}"
        names = {(item.owner.container_id, item.owner.ifname) for item in found if item.owner not in known}
        assert names == {(item.owner.container_id, item.owner.ifname) for item in leases}, "it lists another owner"
        for request in requests:
            lab.release(request)

    def test_it_does_not_list_what_was_released(self, lab: BackendLab) -> None:
        kept, gone = lab.request(), lab.request()
        lease = lab.allocate(kept)
        lab.allocate(gone)
        lab.release(gone)
        owners = {item.owner.container_id for item in lab.backend().inventory(lab.call())}
        assert gone.owner.container_id not in owners, "it lists a lease that was released"
        assert lease.owner.container_id in owners
        lab.release(kept)

    def test_what_it_lists_can_be_released(self, lab: BackendLab) -> None:
        """The record may be lost: the owner that the inventory names is all that the agent knows then."""
        before = lab.picture()
        lab.allocate()
        unknown = NetworkRef(namespace="", name="")
        for lease in lab.backend().inventory(lab.call()):
            lab.release(lab.request({}, owner=lease.owner, network=unknown))
        unchanged(before, lab.picture(), "after the release of what the inventory lists")

    def test_it_names_owners_as_they_asked(self, lab: BackendLab) -> None:
        """By the Pod the agent decides whether a lease is stale: one without Pod stays for ever, one of a wrong Pod is lost."""
        mine, elsewhere = lab.request(), lab.request()
        assert elsewhere.owner.pod is not None
        pod = dataclasses.replace(elsewhere.owner.pod, namespace="other", node="another-node")
        elsewhere = dataclasses.replace(elsewhere, owner=dataclasses.replace(elsewhere.owner, pod=pod))
        lab.allocate(mine)
        lab.allocate(elsewhere)
        found = lab.backend().inventory(lab.call())
        for request in (mine, elsewhere):
            for lease in found:
                if lease.owner.container_id == request.owner.container_id:
                    _must_be_the_same(lease.owner, request.owner)
        for request in (mine, elsewhere):
            lab.release(request)


def _must_be_the_same(listed: IpamOwner, asked: IpamOwner) -> None:
    """A store may have no place for the Pod's UID and node, and the inventory leaves them empty then."""
    assert listed.pod is not None, f"the inventory does not say whose Pod {asked.container_id} was: {asked.pod}"
    assert asked.pod is not None
    known = {"uid": listed.pod.uid, "node": listed.pod.node}
    pod = dataclasses.replace(asked.pod, **{name: "" for name, value in known.items() if not value})
    assert listed == dataclasses.replace(asked, pod=pod), f"the inventory says {listed} of {asked}"
