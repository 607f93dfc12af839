"""`secnet node`: when its commands refuse, and where there is nothing.

What they remove: attach/test_node_teardown.py, attach/test_forgotten_nodes.py.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest
from secnet.agent.cli import main
from secnet.agent.cluster.files.store import FileStore
from secnet.agent.state.agent_ledgers import AgentLedgers, LedgerEntry
from secnet.agent.state.journal import Journal
from secnet.agent.state.run_dir import RunDirLock
from secnet.contract import NetnsRef
from secnet_testing.contract_objects import record
from secnet_testing.objects import pool


def teardown(folder: Path) -> int:
    config = folder / "node.yaml"
    config.write_text(json.dumps({"nodeName": "n", "runDir": "run", "stateDir": "state"}), encoding="utf-8")
    return main(["node", "teardown", "--config", str(config)])


def test_a_node_on_which_no_driver_made_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert teardown(tmp_path) == 0
    assert capsys.readouterr().out == "no driver has made anything on this node\n"


def test_it_refuses_while_an_attachment_exists_or_an_agent_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Journal(tmp_path / "run/journal").write(record())
    assert teardown(tmp_path) == 1
    assert "nothing is removed, for 1 attachments exist" in capsys.readouterr().out
    agent = RunDirLock(tmp_path / "run")
    agent.acquire("secnet agent")
    assert teardown(tmp_path) == 1
    assert "secnet agent" in capsys.readouterr().err
    agent.release()


def config_of(folder: Path, **keys: object) -> str:
    path = folder / "node.yaml"
    settings = {"nodeName": "node-2", "runDir": "run", "stateDir": "state", **keys}
    path.write_text(json.dumps(settings), encoding="utf-8")
    return str(path)


def forget(folder: Path, *arguments: str) -> int:
    return main(["node", "forget", *arguments, "--config", config_of(folder)])


def take_address(folder: Path, node: str, container: str) -> FileStore:
    """A pool of which an agent took an address, an hour ago."""
    store = FileStore(folder / "state")
    AgentLedgers(folder / "state", node, "secnet").add(
        LedgerEntry(container_id=container, boot_id="boot", netns=NetnsRef(path="/run/netns/none", device=1, inode=2))
    )
    then = time.time() - 3600
    os.utime(folder / "state/ledgers" / node / "secnet", (then, then))
    store.apply(pool("v4", "10.1.0.10-10.1.0.99", gateway="10.1.0.1", prefix=24))
    obj = store.get("IPPool", "v4")
    owner = {"pod": {"name": "web", "namespace": "default", "containerID": container, "ifName": "eth1"}}
    obj["status"] = {"ipAddresses": [{"ipAddress": "10.1.0.10", "phase": "Allocated", "owner": owner}]}
    store.update_status(obj)
    return store


def used(store: FileStore) -> int:
    return len(store.get("IPPool", "v4")["status"]["ipAddresses"])


def test_the_addresses_of_a_node_that_is_gone_come_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = take_address(tmp_path, "node-1", "c1")
    assert forget(tmp_path, "node-1") == 0
    assert capsys.readouterr().out == "released: 10.1.0.10/24 of Pod default/web interface eth1\n"
    assert used(store) == 0
    assert forget(tmp_path, "node-1") == 1
    assert "no agent of a node node-1 took addresses here" in capsys.readouterr().err


def test_a_node_that_may_be_there_is_not_forgotten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = take_address(tmp_path, "node-1", "c1")
    os.utime(tmp_path / "state/ledgers/node-1/secnet")
    assert forget(tmp_path, "node-1") == 1
    assert re.search(r"was there \d s ago", capsys.readouterr().err)
    assert forget(tmp_path, "node-2") == 1
    assert used(store) == 1
    assert forget(tmp_path, "node-1", "--force") == 0
    assert used(store) == 0


def test_this_node_is_not_forgotten_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = take_address(tmp_path, "node-2", "c1")
    assert forget(tmp_path, "node-2", "--force") == 1
    assert "node-2 is this node" in capsys.readouterr().err
    assert used(store) == 1


def test_addresses_that_no_ledger_names_are_released_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = take_address(tmp_path, "node-1", "c1")
    assert forget(tmp_path, "--unrecorded") == 0
    assert capsys.readouterr().out == "there was no address to release\n"
    (tmp_path / "state/ledgers/node-1/secnet").unlink()
    assert forget(tmp_path, "--unrecorded") == 0
    assert used(store) == 0


def test_in_a_cluster_the_removal_of_the_node_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_of(tmp_path, kubernetes={})
    assert main(["node", "forget", "node-1", "--config", config]) == 1
    assert "delete the Node" in capsys.readouterr().err
