"""The periodic work over attachments and leases."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from secnet.agent.attach.lease_gc import LeaseGarbageCollector
from secnet.agent.attach.lease_renewal import LeaseRenewal
from secnet.agent.cluster.files.cluster import ManifestCluster
from secnet.agent.config.settings import Settings
from secnet.agent.process.app import Agent
from secnet.contract import Call
from secnet_testing.scripted_plugins import Script, toy_registry


def run_until(done: threading.Event, folder: Path) -> None:
    """Run an agent until its resync loop has come so far. AssertionError if that takes longer than half a minute."""
    settings = Settings(node_name="n", run_dir=folder / "run", state_dir=folder / "state")
    cluster = ManifestCluster(settings.state_dir)
    try:
        with Agent(settings, toy_registry(Script()), cluster, role="test"):
            assert done.wait(30)
    finally:
        cluster.close()


def test_the_resync_loop_renews_leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patched: a lease that expires takes a Pod, and what is renewed is the subject of test_lease_renewal."""
    renewed = threading.Event()

    def renew_due(renewal: LeaseRenewal, call: Call) -> None:
        renewed.set()

    monkeypatch.setattr(LeaseRenewal, "renew_due", renew_due)
    run_until(renewed, tmp_path)


def test_a_fault_in_one_part_hinders_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patched: no lease can be made to break its renewal."""
    collected = threading.Event()

    def renew_due(renewal: LeaseRenewal, call: Call) -> None:
        raise KeyError("a fault")

    def collect(collector: LeaseGarbageCollector, backends: object, call: Call) -> bool:
        collected.set()
        return True

    monkeypatch.setattr(LeaseRenewal, "renew_due", renew_due)
    monkeypatch.setattr(LeaseGarbageCollector, "collect", collect)
    run_until(collected, tmp_path)
