"""The agent as a whole, over scripted plugins: alone on its run directory, and gone without a trace."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cluster.files.cluster import ManifestCluster
from secnet.agent.config.settings import Settings
from secnet.agent.process import _node_loops
from secnet.agent.process.app import Agent
from secnet.agent.state.journal import Journal
from secnet.agent.state.run_dir import RunDirInUse
from secnet.contract import Call, Conflict, Finding, NetworkDriver, NodeReport, Unavailable
from secnet_testing.contract_objects import record
from secnet_testing.full_disk import fill, small_disk
from secnet_testing.scripted_plugins import Script, toy_registry


def agent(folder: Path, *, state: str = "state") -> Agent:
    settings = Settings(node_name="n", run_dir=folder / "run", state_dir=folder / state)
    return Agent(settings, toy_registry(Script()), ManifestCluster(folder / state, None), role="secnet agent")


def test_it_is_alone_and_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    with agent(tmp_path) as running:
        assert running.network_types() == "toy"
        with pytest.raises(RunDirInUse), agent(tmp_path):
            raise AssertionError("two agents on one run directory")
    assert threading.active_count() == before
    with agent(tmp_path):
        pass


def test_records_of_one_state_directory_are_not_taken_by_an_agent_of_another(tmp_path: Path) -> None:
    with agent(tmp_path):
        pass
    Journal(tmp_path / "run/journal").write(record())
    with pytest.raises(Conflict), agent(tmp_path, state="another"):
        raise AssertionError("records of another store")


@pytest.mark.kernel
def test_a_full_run_directory_is_named_by_an_agent_that_never_ran_there(tmp_path: Path) -> None:
    with small_disk(tmp_path / "run") as disk:
        fill(disk)
        with pytest.raises(Unavailable, match="No space left on device; free some space"), agent(tmp_path):
            raise AssertionError("it cannot say whose records these are")


@pytest.mark.kernel
def test_an_agent_starts_again_in_a_full_run_directory_and_works_when_there_is_space(tmp_path: Path) -> None:
    """What is attached is to be looked after in any case."""
    with small_disk(tmp_path / "run") as disk:
        with agent(tmp_path):
            pass
        ballast = fill(disk)
        with agent(tmp_path) as running:
            assert running.network_types() == "toy"
            ballast.unlink()
        with agent(tmp_path):
            pass


def test_the_node_is_reconciled_again_when_what_it_waited_for_is_detached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patched: the retry by time, so that only the detach can be what calls the driver again."""
    monkeypatch.setattr(_node_loops, "_RETRY_SECONDS", (3600.0, 3600.0))
    seen: list[int] = []
    free = threading.Event()

    def reconcile_node(driver: NetworkDriver, desired: Mapping[str, Any], call: Call) -> NodeReport:
        seen.append(len(call.attachments))
        if call.attachments:
            return NodeReport(findings=(Finding(code="BridgeDraining", message="1 Pod", advisory=True),))
        free.set()
        return NodeReport()

    registry = toy_registry(Script())
    plugin = registry.drivers["toy"]
    cls: Any = type("Toy", (plugin.cls,), {"reconcile_node": reconcile_node})
    registry = dataclasses.replace(registry, drivers={"toy": dataclasses.replace(plugin, cls=cls)})
    settings = Settings(node_name="n", run_dir=tmp_path / "run", state_dir=tmp_path / "state")
    with agent(tmp_path):
        pass
    Journal(settings.run_dir / "journal").write(record())  # of a Pod that is gone
    with Agent(settings, registry, ManifestCluster(settings.state_dir, None), role="test"):
        assert free.wait(30)
    assert seen[0] == 1
