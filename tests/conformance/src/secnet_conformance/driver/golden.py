"""Records of released contract versions: a new process detaches from each of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from secnet.contract import CONTRACT_VERSION, PodRef

from ..suite import applies
from .lab import DriverLab, DriverTests, unchanged
from .records import live, missing_golden, read_golden, write_golden

__all__ = ["Golden"]


class Golden(DriverTests):
    """What an older agent wrote down is what a newer one has to remove."""

    group = "golden records"

    def test_a_new_process_detaches_from_an_old_record(self, lab: DriverLab, golden: Path) -> None:
        driver, pod = lab.driver(), lab.pod()
        record = live(read_golden(golden), pod.ref)
        before = lab.picture(pod)
        today = driver.plan(record.request, lab.call()).bind(record.lease, record.vlan)
        driver.attach(today, lab.call())
        lab.up(today)
        lab.clean_check(driver, today)
        assert lab.child("check", record).expect("check by the old record")["findings"] == []
        lab.child("detach", record).expect("detach by the old record")
        unchanged(before, lab.picture(pod), "after detach by the old record")

    @applies(lambda case: "" if case.golden else "none in the case")
    def test_this_contract_version_has_its_records(self, lab: DriverLab, pytestconfig: pytest.Config) -> None:
        assert lab.case.golden is not None
        missing = missing_golden(lab.case.golden, lab.info.network_type, len(lab.case.good))
        if pytestconfig.getoption("secnet_golden"):
            for index, path in missing.items():
                _write(lab, index, path)
            return
        assert not missing, (
            f"contract version {CONTRACT_VERSION} has no {', '.join(path.name for path in missing.values())}: "
            "write them with --secnet-golden, inspect them, and keep them forever"
        )


def _write(lab: DriverLab, index: int, path: Path) -> None:
    """Attach under an identity that is the same each time."""
    driver, pod = lab.driver(), lab.pod()
    request = lab.request(pod, lab.case.good[index], container_id=f"golden-{index}")
    owner = PodRef(namespace="default", name="golden", uid="uid-golden", node="node1")
    attachment = lab.plan(driver, dataclasses.replace(request, pod=owner))
    result = driver.attach(attachment, lab.call())
    driver.detach(attachment, lab.call())
    write_golden(path, attachment, result)
