"""`secnet cni-uninstall` and an agent that would write its entry again."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from secnet.agent.cli import main
from secnet.agent.cni.install_flag import InstallFlag

CONFLIST = {
    "cniVersion": "1.0.0",
    "name": "primary",
    "plugins": [
        {"type": "bridge", "bridge": "cni0", "ipam": {"type": "host-local"}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
        {"type": "secnet-cni", "failOpenNamespaces": ["kube-system"]},
    ],
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A node configuration, and a runtime's configuration with our entry."""
    (tmp_path / "net.d").mkdir()
    (tmp_path / "net.d" / "10-primary.conflist").write_text(json.dumps(CONFLIST), encoding="utf-8")
    file = tmp_path / "node.yaml"
    content = {"kubernetes": {}, "runDir": "run", "cni": {"confDir": str(tmp_path / "net.d")}}
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def test_the_entry_goes_and_everything_else_stays(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = config.parent / "net.d" / "10-primary.conflist"
    for _ in range(2):
        assert main(["cni-uninstall", "--config", str(config)]) == 0
        assert str(file.parent) in capsys.readouterr().out
        assert json.loads(file.read_text()) == CONFLIST | {"plugins": CONFLIST["plugins"][:2]}
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_an_agent_that_runs_leaves_it_out_and_the_next_one_does_not(config: Path) -> None:
    switch, written = InstallFlag(config.parent / "run"), []
    switch.turn_on()
    assert switch.if_on(lambda: written.append("before"))
    assert main(["cni-uninstall", "--config", str(config)]) == 0
    assert not switch.if_on(lambda: written.append("after"))
    switch.turn_on()
    assert switch.if_on(lambda: written.append("next"))
    assert written == ["before", "next"]


def test_an_entry_that_is_being_written_is_taken_out_too(tmp_path: Path) -> None:
    """The remover waits for the writer: else the entry would appear behind its back."""
    done: list[str] = []
    writing, go_on = threading.Event(), threading.Event()

    def write() -> None:
        writing.set()
        assert go_on.wait(20)
        done.append("written")

    writer = threading.Thread(target=lambda: InstallFlag(tmp_path).if_on(write))
    remover = threading.Thread(target=lambda: InstallFlag(tmp_path).turn_off(lambda: done.append("removed")))
    writer.start()
    assert writing.wait(20)
    remover.start()
    go_on.set()
    for thread in (writer, remover):
        thread.join(20)
    assert done == ["written", "removed"]


def test_without_a_place_to_look_it_says_what_to_give(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "node.yaml"
    config.write_text("kubernetes: {}\nrunDir: run\n", encoding="utf-8")
    assert main(["cni-uninstall", "--config", str(config)]) == 1
    assert "$.cni.confDir" in capsys.readouterr().err
