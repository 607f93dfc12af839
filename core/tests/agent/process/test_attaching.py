"""The components that attach, joined to what they stand on."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.attach.admission import Clearance
from secnet.agent.base.metrics import Metrics
from secnet.agent.cluster.files.cluster import ManifestCluster
from secnet.agent.config.settings import Settings
from secnet.agent.process._attaching import wire_attaching
from secnet.agent.process._foundation import Foundation, lay_foundation
from secnet.agent.state.agent_ledgers import read_ledgers
from secnet.contract import NotReady
from secnet_testing.scripted_plugins import Script, toy_registry, toy_work


@pytest.fixture
def base(tmp_path: Path) -> Any:
    settings = Settings(node_name="n", run_dir=tmp_path / "run", state_dir=tmp_path / "state")
    cluster = ManifestCluster(settings.state_dir)
    with ExitStack() as stack:
        yield lay_foundation(settings, toy_registry(Script()), cluster, Metrics(), (), stack)
    cluster.close()


def test_with_manifests_the_agent_has_a_ledger_before_it_takes_an_address(base: Foundation) -> None:
    wire_attaching(base, Clearance())
    assert [(ledger.node, ledger.entries) for ledger in read_ledgers(base.settings.state_dir)] == [("n", ())]


def test_what_preflight_forbids_no_worker_attaches(base: Foundation) -> None:
    clearance = Clearance()
    clearance.slot("test")(NotReady("another agent works here").info)
    attaching = wire_attaching(base, clearance)
    with pytest.raises(NotReady, match="another agent works here"):
        attaching.worker.attach(toy_work(), threading.Event())
    assert base.journal.records() == ()
