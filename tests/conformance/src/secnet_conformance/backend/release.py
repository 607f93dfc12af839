"""Giving back: always possible, any number of times, and only what is the owner's own."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..snapshot import HostSnapshot
from ..steps import Recorder
from ..suite import applies
from .addresses import must_differ
from .lab import BackendLab, BackendTests, allocating, next_owners, unchanged

__all__ = ["Release"]


class Release(BackendTests):
    """It runs when everything else is gone."""

    group = "release"

    def test_it_may_be_repeated(self, lab: BackendLab) -> None:
        before, request, backend = lab.picture(), lab.request(), lab.backend()
        lab.allocate(request)
        for time in ("first", "second"):
            backend.release(request, lab.call())
            unchanged(before, lab.picture(), f"after the {time} release")
        lab.release(request)
        unchanged(before, lab.picture(), "after a release by a new instance")

    def test_of_nothing_it_changes_nothing(self, lab: BackendLab) -> None:
        self._of_nothing(lab)
        others = [lab.request() for _ in range(2)]
        for request in others:
            lab.allocate(request)
        self._of_nothing(lab)
        for request in others:
            lab.release(request)

    def _of_nothing(self, lab: BackendLab) -> None:
        before, recorder = lab.picture(), Recorder()
        lab.release(lab.request(), recorder)
        assert not recorder.names, f"a release of nothing did the steps {', '.join(recorder.names)}"
        unchanged(before, lab.picture(), "after a release of nothing")

    @applies(allocating)
    def test_a_late_second_one_leaves_the_address_with_its_next_owner(self, lab: BackendLab) -> None:
        """By the instance that gave it first, by a new one, and by a new process."""
        backend, request = lab.backend(), lab.request(lab.case.small[0] if lab.case.small else None)
        backend.allocate(request, lab.call())
        backend.release(request, lab.call())
        with next_owners(lab):
            held = lab.picture()
            backend.release(request, lab.call())
            unchanged(held, lab.picture(), "what others hold, after a second release by the same instance")
            lab.release(request)
            unchanged(held, lab.picture(), "what others hold, after a second release by a new instance")
            lab.child("release", request).expect("a second release in a new process")
            unchanged(held, lab.picture(), "what others hold, after a second release by a new process")

    def test_by_a_new_process(self, lab: BackendLab) -> None:
        before, request = lab.picture(), lab.request()
        lab.allocate(request)
        lab.child("release", request).expect("release in a new process")
        unchanged(before, lab.picture(), "after a release by a new process")

    def test_it_leaves_the_leases_of_others(self, lab: BackendLab) -> None:
        mine, other = lab.request(), lab.request()
        beside = dataclasses.replace(mine, owner=dataclasses.replace(mine.owner, ifname="eth2"))
        leases = {id(request): lab.allocate(request) for request in (other, beside)}
        held = lab.picture()
        lab.allocate(mine)
        lab.release(mine)
        unchanged(held, lab.picture(), "what others hold")
        for request in (other, beside):
            lab.clean(leases[id(request)], request, "the lease of another, after a release")
            lab.release(request)

    @applies(allocating)
    def test_it_leaves_what_a_new_sandbox_of_the_pod_has(self, lab: BackendLab) -> None:
        """A Pod keeps its name when its sandbox is recreated, and the old one may be released later than the new one begins."""
        before, old, new = lab.picture(), lab.request(), lab.request()
        new = dataclasses.replace(new, owner=dataclasses.replace(new.owner, pod=old.owner.pod))
        leases = [lab.allocate(old), lab.allocate(new)]
        must_differ(leases)
        lab.release(old)
        lab.clean(leases[1], new, "the lease of the new sandbox, after a release of the old one")
        assert lab.allocate(new) == leases[1], "the new sandbox has another lease after the release of the old one"
        lab.release(new)
        unchanged(before, lab.picture(), "after both were released")

    @applies(allocating)
    def test_it_tells_owners_apart_whose_names_begin_alike(self, lab: BackendLab) -> None:
        """eth1 and eth10; one container id that begins like another; and the same letters, divided elsewhere."""
        before, mine = lab.picture(), lab.request()
        container, ifname = mine.owner.container_id, mine.owner.ifname
        names = ((container, f"{ifname}0"), (f"{container}0", ifname), (container + ifname[0], ifname[1:]))
        others = [
            dataclasses.replace(mine, owner=dataclasses.replace(mine.owner, container_id=one, ifname=two))
            for one, two in names
        ]
        leases = [lab.allocate(request) for request in others]
        held = lab.picture()
        must_differ([*leases, lab.allocate(mine)])
        lab.release(mine)
        unchanged(held, lab.picture(), f"what others hold, after the release of {container} {ifname}")
        for request in others:
            lab.release(request)
        unchanged(before, lab.picture(), "after all were released")

    @applies(allocating)
    def test_by_the_owner_alone(self, lab: BackendLab) -> None:
        """The network may have been edited since, or its configuration may be unknown by now."""
        before, request = lab.picture(), lab.request()
        lab.allocate(request)
        lab.release(lab.request({}, owner=request.owner))
        unchanged(before, lab.picture(), "after a release with an empty configuration")

    def test_after_its_object_was_deleted(self, lab: BackendLab, gone: str) -> None:
        """A pool in use may stay, marked as going, until the last lease is released."""
        kind, namespace, name = _parts(gone)
        before, request = lab.picture(), lab.request()
        lab.allocate(request)
        lab.host.objects.delete(kind, name, namespace)
        lab.release(request)
        after = lab.picture()
        unchanged(_without(before, gone), _without(after, gone), f"after release without {gone}")
        if (left := _status(after, gone)) is not None:
            assert left == _status(before, gone), (
                f"{gone} is going and stays, and still holds what was released: {left}"
            )

    def test_after_its_object_vanished(self, lab: BackendLab, gone: str) -> None:
        kind, namespace, name = _parts(gone)
        before, request = lab.picture(), lab.request()
        lab.allocate(request)
        lab.remove_object(kind, name, namespace)
        lab.child("release", request).expect(f"release without {gone}")
        unchanged(_without(before, gone), _without(lab.picture(), gone), f"after release without {gone}")


def _parts(label: str) -> tuple[str, str, str]:
    """Kind, namespace and name of an object that is written KIND/NAME or KIND/NAMESPACE/NAME."""
    kind, *rest = label.split("/")
    return kind, rest[0] if len(rest) > 1 else "", rest[-1]


def _status(picture: HostSnapshot, label: str) -> Any:
    """The status of one object; None if there is no such object."""
    kind, namespace, name = _parts(label)
    found = picture.to_json()["more"]["objects"].get(f"{kind} {namespace}/{name}")
    return None if found is None else found.get("status", {})


def _without(picture: HostSnapshot, label: str) -> HostSnapshot:
    """A picture without one object."""
    kind, namespace, name = _parts(label)
    data = picture.to_json()
    data["more"]["objects"].pop(f"{kind} {namespace}/{name}", None)
    return HostSnapshot(data=data)
