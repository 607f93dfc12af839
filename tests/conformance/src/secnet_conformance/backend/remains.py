"""What stays: nothing of a closed instance, and everything that a released version once wrote."""

from __future__ import annotations

import dataclasses
import os
import threading

import pytest
from secnet.contract import thaw

from ..suite import applies
from .golden import GoldenFile, golden_files, golden_path, write_golden
from .lab import BackendLab, BackendTests, info_of, unchanged

__all__ = ["Golden", "Resources"]


def _held() -> tuple[dict[str, str], int]:
    """Descriptors of this process and what they lead to, and the number of its threads."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue  # the descriptor that listed the directory
    return found, threading.active_count()


class Resources(BackendTests):
    """A closed instance holds nothing."""

    group = "resources"

    def test_after_close_no_thread_and_no_descriptor_is_left(self, lab: BackendLab) -> None:
        request = lab.request()
        before, backend = _held(), lab.backend()
        backend.probe()
        lease = backend.allocate(request, lab.call())
        backend.check(lease, request.config, lab.call())
        backend.inventory(lab.call())
        backend.release(request, lab.call())
        backend.close()
        assert _held() == before, "descriptors or threads of this process, after close"
        backend.close()


class Golden(BackendTests):
    """Records of released versions."""

    group = "golden"

    @applies(lambda case: "" if case.golden else "none in the case")
    def test_records_of_this_contract_version_are_kept(self, lab: BackendLab, pytestconfig: pytest.Config) -> None:
        assert lab.case.golden is not None
        for number, config in enumerate(lab.case.good, 1):
            path = golden_path(lab.case.golden, lab.info.ipam_type, number)
            if not path.exists() and pytestconfig.getoption("secnet_golden"):
                request = lab.request(config)
                write_golden(path, lab.info.ipam_type, request, lab.allocate(request))
                lab.release(request)
            assert path.exists(), f"{path} is missing: --secnet-golden writes it"

    @applies(lambda case: "" if golden_files(case, info_of(case).ipam_type) else "none in the case")
    def test_today_a_new_process_works_by_an_old_record(self, lab: BackendLab, record: GoldenFile) -> None:
        """The agent was upgraded while the Pod lived."""
        request, lease = record.read()
        before = lab.picture()
        insisting = "ips" in lab.info.capabilities and lab.info.allocates
        ips = tuple(item.address for item in lease.addresses) if insisting else request.ips
        held = lab.allocate(dataclasses.replace(request, ips=ips))
        assert held.addresses == lease.addresses, "today's lease differs from the one on record"
        found = lab.child("check", lease, plain=(thaw(request.config),)).expect("check by an old record")
        assert not found.get("findings"), f"check of the old lease finds {found}"
        lab.child("release", request).expect("release by an old record")
        unchanged(before, lab.picture(), "after the release by an old record")
