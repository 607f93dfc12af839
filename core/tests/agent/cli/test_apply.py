"""`secnet apply` where no Pod has to wait for a network. With Pods: tests/e2e/test_apply.py."""

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


def test_objects_are_handed_over_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "apply") == 0
    assert sorted(capsys.readouterr().out.splitlines()) == ["IPPool blue created", "Pod default/web created"]
    assert run(folder, "apply") == 0
    assert sorted(capsys.readouterr().out.splitlines()) == ["IPPool blue unchanged", "Pod default/web unchanged"]
    assert FileStore(folder / "state").get("IPPool", "blue")["spec"] == POOL["spec"]


def test_a_manifest_that_is_none_hands_nothing_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "objects/bad.yaml").write_text("kind: [", encoding="utf-8")
    assert run(folder, "apply") == 1
    assert "bad.yaml" in capsys.readouterr().err
    assert FileStore(folder / "state").list("IPPool") == []
