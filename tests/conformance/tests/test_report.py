"""The report of a run, and small helpers of a case, tried in a pytest of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from secnet_conformance import Host
from secnet_conformance.needs import requires_command, requires_root

SAMPLES = Path(__file__).parent / "samples"


def _pytest(*options: str | Path) -> str:
    own = ("--noconftest", "-p", "no:cacheprovider", f"--rootdir={SAMPLES}", "-c", os.devnull)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *own, *options, SAMPLES / "sample_cases.py::TestPair"],
        env=os.environ | {"PYTHONPATH": str(SAMPLES)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_is_left_out_by_k_is_not_in_the_report(tmp_path: Path) -> None:
    """Neither what would have run nor what does not apply, such as the golden records that this case does not have."""
    file = tmp_path / "report.md"
    output = _pytest("-k", "read-only", "--secnet-report", file)
    assert " read-only " in output
    assert "golden" not in output
    assert "golden" not in file.read_text()
    output = _pytest("-k", "read-only or golden", "--secnet-report", file)
    assert "    golden records  2 n/a" in output
    assert "- test_this_contract_version_has_its_records: none in the case" in file.read_text()


@pytest.mark.kernel
def test_a_case_works_inside_a_pod_by_its_netns() -> None:
    """All that a breakage has of the Pod is the attachment's `netns`."""
    requires_root()
    requires_command("ip")
    host = Host(namespaced=True)
    try:
        pod = host.new_pod()
        host.run_in(pod.ref, "ip link add here0 type bridge")
        assert "here0" in host.run_in(pod, "ip link show")
        assert "here0" not in host.run("ip link show")
    finally:
        host.close()
