"""The first line of `status` and `topology`: who reconciles, or how old what they show is."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import pytest
from secnet.agent.cli._presence import look_for_reconciler
from secnet.agent.config.settings import KubernetesSettings, Settings
from secnet.agent.state.presence import AGENT_ROLE, Presence, read_reconciler
from secnet.agent.state.run_dir import RunDirLock
from secnet.contract import to_json


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(node_name="n", run_dir=tmp_path / "run")


def change(settings: Settings, **fields: float) -> None:
    """What the file says."""
    found = read_reconciler(settings.run_dir)
    assert found is not None
    changed = to_json(dataclasses.replace(found, **fields))  # type: ignore[arg-type]
    (settings.run_dir / "reconciler.json").write_text(json.dumps(changed), encoding="utf-8")


def test_no_reconciler_ever_is_missed_only_where_a_cluster_has_the_objects(settings: Settings) -> None:
    seen = look_for_reconciler(settings)
    assert (seen.line, seen.missing, seen.as_data()) == ("no agent has run here", False, None)
    seen = look_for_reconciler(dataclasses.replace(settings, kubernetes=KubernetesSettings()))
    assert seen.missing
    assert seen.line == "no agent has run here; start it: until then nothing here is reconciled"


def test_an_agent_that_runs_and_one_that_ended(settings: Settings) -> None:
    lock = RunDirLock(settings.run_dir)
    lock.acquire(AGENT_ROLE)
    Presence(settings.run_dir, AGENT_ROLE, 60).note()
    version = read_reconciler(settings.run_dir)
    assert version is not None
    seen = look_for_reconciler(settings)
    assert seen.line == f"agent {version.version}, pid {version.pid}, no resync yet"
    assert not seen.missing
    change(settings, resynced=time.time() - 12)
    assert look_for_reconciler(settings).line.endswith("last resync 12 s ago")
    change(settings, started=time.time() - 3600, resynced=time.time() - 900)
    seen = look_for_reconciler(settings)
    assert seen.missing
    assert seen.line.endswith("last resync 15 min ago; it is overdue: look at its log, and whether the process hangs")
    lock.release()
    change(settings, seen=time.mktime((2026, 1, 2, 16, 3, 0, 0, 0, -1)))
    seen = look_for_reconciler(settings)
    assert seen.missing
    assert seen.line == ("no agent: state as of 2026-01-02 16:03; start it: until then nothing here is reconciled")


def test_after_a_command_no_agent_is_missed(settings: Settings) -> None:
    settings.run_dir.mkdir()
    Presence(settings.run_dir, "secnet apply", 60).note()
    seen = look_for_reconciler(settings)
    assert not seen.missing
    assert seen.line.startswith("no agent (the last was 'secnet apply'): state as of ")
