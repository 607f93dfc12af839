"""What stays: nothing of a closed instance, and everything that a released version once wrote."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.text.schema import Validator
from secnet.contract import CONTRACT_VERSION, IPAMBackend, IpamOwner, IpamRequest, PodRef, SecnetError, thaw

from ..cases import Bad
from ..held import held, left_of
from ..suite import applies
from .golden import GoldenFile, golden_files, golden_path, write_golden
from .lab import IFNAME, BackendLab, BackendTests, info_of, unchanged

__all__ = ["Golden", "Resources"]


_LIVES = 10


class Resources(BackendTests):
    """A closed instance holds nothing."""

    group = "resources"

    def test_close_leaves_nothing_open(self, lab: BackendLab) -> None:
        before = held()
        backend = lab.case.backend(lab.context, lab.host.objects if lab.info.kinds else None)
        backend.probe()
        _live(lab, backend, 1)
        backend.close()
        left = left_of(before)
        assert not left, f"still there after close: {', '.join(left)}"
        backend.close()

    def test_what_calls_open_does_not_add_up(self, lab: BackendLab) -> None:
        """An agent calls for months before it closes."""
        backend = lab.backend()
        _live(lab, backend, 2)  # what is opened once and kept is there now
        before = held()
        _live(lab, backend, _LIVES)
        left = left_of(before)
        assert len(left) < _LIVES, f"{_LIVES} leases left {len(left)}: {', '.join(left)}"

    def test_what_refused_calls_open_does_not_add_up(self, lab: BackendLab) -> None:
        """A full pool is asked again and again."""
        backend, full = lab.backend(), [lab.case.small[0]] * lab.case.small[1] if lab.case.small else []
        holders = [lab.request(config) for config in full]
        for request in holders:
            lab.allocate(request)
        refused = [lab.request(bad.config, **bad.request) for bad in lab.case.bad if _reaches(lab, bad)]
        refused += [lab.request(full[0])] if full else []
        _refuse(lab, backend, refused)  # what is opened once and kept is there now
        before = held()
        for _ in range(_LIVES):
            _refuse(lab, backend, refused)
        left = left_of(before)
        assert len(left) < _LIVES, f"{_LIVES} refusals left {len(left)}: {', '.join(left)}"
        for request in holders:
            lab.release(request)


def _reaches(lab: BackendLab, bad: Bad) -> bool:
    """Whether a bad configuration comes as far as `allocate`: neither schema nor validate has anything against it."""
    if Validator(lab.info.config, "the backend").problems(bad.config):
        return False
    try:
        lab.backend().validate(bad.config)
    except SecnetError:
        return False
    return True


def _refuse(lab: BackendLab, backend: IPAMBackend, requests: Sequence[IpamRequest]) -> None:
    """Ask for what cannot be had, and with a call that is over: for a lease, and for a release."""
    ended, usual = lab.request(), lab.request()
    backend.allocate(usual, lab.call())
    for request in requests:
        with suppress(SecnetError):
            backend.allocate(request, lab.call())
    for work in (lambda call: backend.allocate(ended, call), lambda call: backend.release(usual, call)):
        with suppress(SecnetError):
            work(lab.call(seconds=-1))
    for request in (ended, usual):
        backend.release(request, lab.call())


def _live(lab: BackendLab, backend: IPAMBackend, times: int) -> None:
    for _ in range(times):
        request = lab.request()
        lease = backend.allocate(request, lab.call())
        backend.check(lease, request.config, lab.call())
        backend.inventory(lab.call())
        backend.release(request, lab.call())


class Golden(BackendTests):
    """Records of released versions."""

    group = "golden records"

    @applies(lambda case: "" if case.golden else "none in the case")
    def test_this_contract_version_has_its_records(self, lab: BackendLab, pytestconfig: pytest.Config) -> None:
        assert lab.case.golden is not None
        missing = []
        for number, config in enumerate(lab.case.good, 1):
            path = golden_path(lab.case.golden, lab.info.ipam_type, number)
            if not path.exists() and pytestconfig.getoption("secnet_golden"):
                _write(lab, path, config, number)
            missing += [] if path.exists() else [path.name]
        assert not missing, (
            f"contract version {CONTRACT_VERSION} has no {', '.join(missing)}: "
            "write them with --secnet-golden, inspect them, and keep them forever"
        )

    @applies(lambda case: "" if golden_files(case, info_of(case).ipam_type) else "none in the case")
    def test_today_a_new_process_works_by_an_old_record(self, lab: BackendLab, record: GoldenFile) -> None:
        """The agent was upgraded while the Pod lived."""
        request, lease = record.read()
        before = lab.picture()
        insisting = "ips" in lab.info.capabilities and lab.info.allocates
        ips = tuple(item.address for item in lease.addresses) if insisting else request.ips
        today = lab.allocate(dataclasses.replace(request, ips=ips))
        assert today.addresses == lease.addresses, "today's lease differs from the one on record"
        found = lab.child("check", lease, plain=(thaw(request.config),)).expect("check by an old record")
        assert not found.get("findings"), f"check of the old lease finds {found}"
        lab.child("release", request).expect("release by an old record")
        unchanged(before, lab.picture(), "after the release by an old record")


def _write(lab: BackendLab, path: Path, config: Mapping[str, Any], number: int) -> None:
    """Allocate under an identity that is the same each time."""
    pod = PodRef(namespace="default", name="golden", uid="uid-golden", node="node1")
    request = lab.request(config, owner=IpamOwner(container_id=f"golden-{number}", ifname=IFNAME, pod=pod))
    write_golden(path, lab.info.ipam_type, request, lab.allocate(request))
    lab.release(request)
