"""One owner and its lease."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
from collections.abc import Mapping
from typing import Any

from secnet.contract import ADDRESS_OF_ANOTHER, CheckReport, IpamLease, IpamRequest, from_json, thaw, to_json

from ..cases import Breakage
from ..steps import Recorder
from ..suite import applies
from .addresses import must_be_usable, must_differ
from .lab import BackendLab, BackendTests, allocating, info_of, next_owners, unchanged
from .stores import Asked

__all__ = ["Leases"]


class Leases(BackendTests):
    """A lease is for its owner alone, the same each time, and lasts beyond the process that gave it."""

    group = "leases"

    def test_a_lease_is_for_who_asked_and_can_be_used(self, lab: BackendLab, config: Mapping[str, Any]) -> None:
        before, request = lab.picture(), lab.request(config)
        lease = lab.allocate(request)
        assert isinstance(lease, IpamLease), f"allocate returned {lease!r}"
        assert lease.owner == request.owner, "the lease is for another owner"
        assert lease.addresses, "a lease without an address"
        must_be_usable([lease])
        for route in lease.routes:
            ipaddress.ip_network(route.dst)
        assert all(0 < vlan < 4095 for vlan in lease.vlans), f"VLANs {lease.vlans}"
        lab.clean(lease, request, "right after allocate")
        lab.release(request)
        unchanged(before, lab.picture(), "after release")

    def test_the_same_owner_gets_the_same_lease(self, lab: BackendLab, config: Mapping[str, Any]) -> None:
        request, backend = lab.request(config), lab.backend()
        first = backend.allocate(request, lab.call())
        held = lab.picture()
        assert backend.allocate(request, lab.call()) == first, "the same instance, asked again, gives another lease"
        assert lab.allocate(request) == first, "a new instance gives another lease"
        child = lab.child("allocate", request).expect("allocate in a new process")
        assert child == to_json(first), "a new process gives another lease"
        unchanged(held, lab.picture(), "after repeated allocations")
        lab.release(request)

    @applies(allocating)
    def test_another_owner_gets_another_address(self, lab: BackendLab, config: Mapping[str, Any]) -> None:
        requests = [lab.request(config) for _ in range(3)]
        must_differ([lab.allocate(request) for request in requests])
        for request in requests:
            lab.release(request)

    @applies(allocating)
    def test_another_interface_of_the_sandbox_gets_another_address(self, lab: BackendLab) -> None:
        one = lab.request()
        two = dataclasses.replace(one, owner=dataclasses.replace(one.owner, ifname="eth2"))
        must_differ([lab.allocate(one), lab.allocate(two)])
        lab.release(one)
        lab.release(two)

    def test_a_lease_survives_as_json(self, lab: BackendLab, config: Mapping[str, Any]) -> None:
        """The record goes through a file; a process of a newer version checks by it and releases by it."""
        before, request = lab.picture(), lab.request(config)
        lease = lab.allocate(request)
        read = from_json(IpamLease, json.loads(json.dumps(to_json(lease))))
        assert read == lease, "the lease is another one after JSON"
        asked = from_json(IpamRequest, json.loads(json.dumps(to_json(request))))
        assert asked == request
        found = lab.child("check", read, plain=(thaw(asked.config),)).expect("check in a new process")
        assert from_json(CheckReport, found).clean, f"a new process finds {found}"
        lab.child("release", asked).expect("release in a new process")
        unchanged(before, lab.picture(), "after the release by a new process")

    def test_a_lease_is_what_the_configuration_says(self, lab: BackendLab) -> None:
        request = lab.request()
        lab.case.inside(lab.host, lab.allocate(request))
        lab.release(request)

    def test_check_finds_what_someone_broke(self, lab: BackendLab, breakage: Breakage) -> None:
        request = lab.request()
        lease = lab.allocate(request)
        lab.clean(lease, request, "before anything is broken")
        breakage.how(lab.host, lease)
        codes = [item.code for item in lab.backend().check(lease, request.config, lab.call()).findings]
        assert codes, f"check finds nothing after: {breakage}"
        assert not breakage.code or breakage.code in codes, f"check says {codes} after: {breakage}"

    @applies(allocating)
    def test_check_misses_what_was_released(self, lab: BackendLab) -> None:
        """Also when the address has its next owner."""
        config = lab.case.small[0] if lab.case.small else None
        request = lab.request(config)
        lease = lab.allocate(request)
        lab.release(request)
        assert lab.backend().check(lease, request.config, lab.call()).findings, "check finds a lease that was released"
        with next_owners(lab):
            report = lab.backend().check(lease, request.config, lab.call())
            assert report.findings, "check finds a lease whose address another owner has"

    @applies(lambda case: allocating(case) or ("" if case.small else "none in the case"))
    def test_an_address_of_another_has_the_code_that_the_core_knows(self, lab: BackendLab) -> None:
        """It alone lets the core distinguish an address in use twice from a record that is missing."""
        assert lab.case.small is not None
        request = lab.request(lab.case.small[0])
        lease = lab.allocate(request)
        lab.release(request)
        with next_owners(lab):
            codes = [item.code for item in lab.backend().check(lease, request.config, lab.call()).findings]
        assert ADDRESS_OF_ANOTHER in codes, f"the address has another owner, and check says {codes}"

    @applies(lambda case: "it allocates" if info_of(case).allocates else "")
    def test_what_declares_that_it_records_nothing_records_nothing(self, lab: BackendLab) -> None:
        """The agent trusts `allocates=False`: neither release nor inventory can be missed then."""
        before, recorder, backend = lab.picture(), Recorder(), lab.backend()
        backend.allocate(lab.request(), lab.call(recorder))
        assert not recorder.names, f"it did the steps {', '.join(recorder.names)}"
        unchanged(before, lab.picture(), "after allocate")
        assert backend.inventory(lab.call()) == (), "its inventory lists leases"

    def test_release_and_allocate_can_follow_each_other(self, lab: BackendLab) -> None:
        before, request = lab.picture(), lab.request()
        for _ in range(3):
            lab.clean(lab.allocate(request), request, "after a release and an allocation")
            lab.release(request)
        unchanged(before, lab.picture(), "after three leases")

    def test_renew_keeps_the_addresses(self, lab: BackendLab) -> None:
        request = lab.request()
        lease = lab.allocate(request)
        renewed = lab.backend().renew(lease, request.config, lab.call())
        same = (renewed.owner, renewed.addresses, renewed.vlans)
        assert same == (lease.owner, lease.addresses, lease.vlans), "renew changed what the Pod has"
        if lease.expires_at is not None:
            assert (renewed.expires_at or 0.0) >= lease.expires_at, "renew did not prolong the lease"
        lab.clean(renewed, request, "after renew")
        lab.release(request)

    @applies(lambda case: "" if info_of(case).kinds else "it declares no kinds")
    def test_it_asks_for_the_kinds_that_it_declares(self, lab: BackendLab) -> None:
        store = Asked(lab.host.objects)
        backend, request = lab.backend(store), lab.request()
        backend.allocate(request, lab.call())
        backend.inventory(lab.call())
        backend.release(request, lab.call())
        assert store.kinds, "it declares kinds of objects and never asks for one"
        declared = {kind.kind for kind in lab.info.kinds}
        assert store.kinds <= declared, f"it asks for {store.kinds} and declares {declared}"
