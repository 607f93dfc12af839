"""`secnet delete` where no Pod has a network to let go. With Pods: tests/e2e/test_apply.py."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from secnet.agent.cli import main
from secnet.agent.cluster.files.store import FileStore

POOL = {
    "apiVersion": "crd.antrea.io/v1beta1",
    "kind": "IPPool",
    "metadata": {"name": "blue"},
    "spec": {"ipRanges": [{"cidr": "10.0.0.0/24"}], "subnetInfo": {"gateway": "10.0.0.1", "prefixLength": 24}},
}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": {}}


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    found = [logging.getLogger(), logging.getLogger("secnet")]
    before = [(logger, logger.handlers[:], logger.level) for logger in found]
    yield
    for logger, handlers, level in before:
        logger.handlers[:], logger.level = handlers, level


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = {"nodeName": "n", "runDir": "run", "stateDir": "state", "ovsdb": f"unix:{tmp_path}/none.sock"}
    (tmp_path / "node.yaml").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "objects").mkdir()
    for name, obj in (("pool.json", POOL), ("pod.json", POD)):
        (tmp_path / "objects" / name).write_text(json.dumps(obj), encoding="utf-8")
    return tmp_path


def run(folder: Path, command: str) -> int:
    return main([command, str(folder / "objects"), "--config", str(folder / "node.yaml"), "--timeout", "30"])


def test_pods_go_first_and_what_is_not_there_is_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = FileStore(folder / "state")
    store.apply(POOL)
    store.apply(POD)
    assert run(folder, "delete") == 0
    assert capsys.readouterr().out.splitlines() == ["Pod default/web deleted", "IPPool blue deleted"]
    assert run(folder, "delete") == 0
    assert capsys.readouterr().out.splitlines() == ["Pod default/web not found", "IPPool blue not found"]
