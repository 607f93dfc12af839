"""Which other agents the doctor says to keep addresses."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from secnet.agent.config.settings import KubernetesSettings
from secnet.agent.doctor._ledgers import check_ledgers
from secnet.agent.state.agent_ledgers import AgentLedgers, LedgerEntry
from secnet.contract import NetnsRef

from .conftest import MakeHost

STATE = Path("/var/lib/secnet")


def agent(root: Path, node: str, *containers: str, ago: float = 0.0) -> None:
    ledgers = AgentLedgers(root / "var/lib/secnet", node, "secnet")
    for container in containers:
        netns = NetnsRef(path="/run/netns/none", device=1, inode=2)
        ledgers.add(LedgerEntry(container_id=container, boot_id="boot", netns=netns))
    then = time.time() - ago
    os.utime(root / "var/lib/secnet/ledgers" / node / "secnet", (then, then))


def found(host: Any) -> dict[str, tuple[str, str]]:
    return {result.what: (result.level, result.remedy) for result in check_ledgers(host)}


def test_an_agent_that_is_away_keeps_its_addresses_and_the_remedy_is_named(make_host: MakeHost, tmp_path: Path) -> None:
    agent(tmp_path, "node-1", "c1")  # this one
    agent(tmp_path, "node-2", "c2", ago=3600)
    agent(tmp_path, "node-3", "c3", ago=5)
    agent(tmp_path, "node-4", ago=3600)
    results = found(make_host(state_dir=STATE))
    assert {what: level for what, (level, _) in results.items()} == {
        "agent of node node-2": "warn",
        "agent of node node-3": "ok",
        "agent of node node-4": "ok",
    }
    assert "secnet node forget node-2" in results["agent of node node-2"][1]


def test_a_ledger_that_cannot_be_read_keeps_every_address(make_host: MakeHost, tmp_path: Path) -> None:
    ledgers = tmp_path / "var/lib/secnet/ledgers"
    ledgers.parent.mkdir(parents=True)
    ledgers.write_text("")
    assert [level for level, _ in found(make_host(state_dir=STATE)).values()] == ["FAIL"]


def test_in_a_cluster_each_node_has_a_state_directory_of_its_own(make_host: MakeHost, tmp_path: Path) -> None:
    agent(tmp_path, "node-2", "c2", ago=3600)
    assert found(make_host(state_dir=STATE, kubernetes=KubernetesSettings())) == {}
