"""When the plugin's entry is written, when it is not, and what is said meanwhile."""

from __future__ import annotations

import itertools
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.base.metrics import Metrics
from secnet.agent.cni.chain_keeper import ChainKeeper, is_chaining_wanted
from secnet.agent.cni.install_flag import InstallFlag
from secnet.agent.config.settings import CniSettings

NETWORK = {"cniVersion": "0.3.1", "name": "cilium", "plugins": [{"type": "cilium-cni"}]}
ENTRY = "secnet-cni"


class Scene:
    """A runtime's directory with the file of its network's owner, and the agent that keeps its entry in it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        for name in ("net.d", "bin"):
            (folder / name).mkdir()
        (folder / "bin/secnet-cni").touch(mode=0o755)
        self.file = folder / "net.d/05-cilium.conflist"
        self.flag = InstallFlag(folder / "run")
        self.settings = CniSettings(
            **{"socket": folder / "cni.sock", "conf_dir": folder / "net.d", "bin_dir": folder / "bin", **settings}
        )
        self.ready, self.multus, self.now = True, False, 0.0
        self.elsewhere: str | None = ""
        self.keeper = ChainKeeper(
            self.settings,
            flag=self.flag,
            ready=lambda: self.ready,
            metrics=Metrics(),
            multus=lambda: self.multus,
            read_elsewhere=lambda: self.elsewhere,
            clock=lambda: self.now,
        )

    def owner_writes(self) -> None:
        self.file.write_text(json.dumps(NETWORK), encoding="utf-8")

    @property
    def is_chained(self) -> bool:
        return ENTRY in self.file.read_text(encoding="utf-8")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path)
    made.owner_writes()
    return made


def test_it_waits_for_recovery_and_is_not_ready_before(scene: Scene) -> None:
    scene.ready = False
    scene.keeper.reconcile()
    assert not scene.is_chained
    assert "is not in the runtime's configuration yet" in scene.keeper.unready()
    scene.ready = True
    scene.keeper.reconcile()
    assert scene.is_chained
    assert scene.keeper.unready() == ""


def test_a_directory_without_a_network_is_named_with_the_remedy(scene: Scene) -> None:
    scene.file.unlink()
    scene.keeper.reconcile()
    reason = scene.keeper.unready()
    assert str(scene.file.parent) in reason
    assert "correct cni.confDir" in reason
    scene.file.parent.rmdir()
    scene.keeper.reconcile()
    assert "there is no CNI network in this directory yet" in scene.keeper.unready()


def test_it_is_ready_without_the_entry_where_none_is_wanted(scene: Scene) -> None:
    scene.multus = True
    scene.keeper.reconcile()
    assert (scene.is_chained, scene.keeper.unready()) == (False, "")
    scene.multus = False
    scene.keeper.reconcile()
    scene.flag.turn_off(lambda: scene.owner_writes())
    scene.keeper.reconcile()
    assert (scene.is_chained, scene.keeper.unready()) == (False, "")


def test_where_another_program_chains_and_installs_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    keeper = Scene(tmp_path, conf_dir=None).keeper
    assert keeper.unready() == ""


def test_chaining_is_wanted_where_the_entry_belongs(scene: Scene) -> None:
    def wanted(settings: CniSettings | None, *, multus: bool = False) -> bool:
        return is_chaining_wanted(settings, scene.flag, lambda: multus)

    assert wanted(scene.settings)
    assert not wanted(scene.settings, multus=True)
    assert not wanted(None)
    assert not wanted(CniSettings(socket=scene.settings.socket))
    scene.flag.turn_off(lambda: None)
    assert not wanted(scene.settings)
    scene.flag.turn_on()
    assert wanted(scene.settings)


def test_an_owner_that_writes_now_and_then_gets_the_entry_back_at_once_however_often(scene: Scene) -> None:
    scene.keeper.reconcile()
    for _ in range(20):
        scene.now += 30.0
        scene.owner_writes()
        assert scene.keeper.reconcile() is None
        assert scene.is_chained


def test_an_owner_that_answers_each_write_gets_it_back_ever_more_rarely(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    writes: list[float] = []
    while scene.now < 3600.0:
        scene.owner_writes()
        wait = scene.keeper.reconcile()
        if scene.is_chained:
            writes.append(scene.now)
            continue
        assert wait is not None
        assert "cni.exclusive: false" in scene.keeper.unready()
        assert str(scene.file) in scene.keeper.unready()
        scene.now += wait
    pauses = [later - earlier for earlier, later in itertools.pairwise(writes)]
    assert pauses[:10] == [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    assert set(pauses[10:]) == {60.0}
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert all("cni.exclusive: false" in text for text in warnings)
    assert len(warnings) == 4, "the log does not repeat it each time"


def contest(scene: Scene) -> None:
    """The owner answers each write, until the entry is written with a back-off."""
    wait: float | None = None
    while wait is None:
        scene.owner_writes()
        wait = scene.keeper.reconcile()
    scene.now += wait


def test_it_is_ready_again_when_the_owner_leaves_the_entry_in(scene: Scene) -> None:
    contest(scene)
    assert scene.keeper.reconcile() == 2.0
    assert scene.is_chained
    scene.now += 1.5
    assert scene.keeper.reconcile() == 0.5
    assert "cni.exclusive" in scene.keeper.unready(), "it may be taken out again at once"
    scene.now += 0.5
    assert scene.keeper.reconcile() is None
    assert scene.keeper.unready() == ""
    scene.now += 30.0
    scene.keeper.reconcile()
    scene.owner_writes()
    assert scene.keeper.reconcile() is None, "an earlier contest is forgotten"
    assert scene.is_chained


def test_it_is_not_ready_for_a_moment_while_two_writers_contest_the_entry(scene: Scene) -> None:
    """Each write wakes the agent: it looks once before the owner takes the entry out again."""
    contest(scene)
    for _ in range(10):
        scene.keeper.reconcile()
        assert scene.is_chained
        scene.keeper.reconcile()
        assert "cni.exclusive" in scene.keeper.unready()
        scene.owner_writes()
        wait = scene.keeper.reconcile()
        assert "cni.exclusive" in scene.keeper.unready()
        assert wait is not None
        scene.now += wait


def test_it_is_ready_once_the_runtime_has_the_entry(scene: Scene) -> None:
    scene.elsewhere = str(scene.file.parent)
    soon = scene.keeper.reconcile()
    assert (scene.is_chained, soon) == (True, 0.1), "the runtime reads a changed directory a moment later"
    assert "is not in the runtime's configuration yet" in scene.keeper.unready()
    scene.elsewhere = ""
    assert scene.keeper.reconcile() is None
    assert scene.keeper.unready() == ""
    scene.elsewhere = "/not/asked"
    scene.now += 59.0
    scene.keeper.reconcile()
    assert scene.keeper.unready() == ""


def test_a_runtime_that_does_not_answer_is_asked_until_it_does(scene: Scene) -> None:
    scene.elsewhere = None
    for _ in range(50):
        assert scene.keeper.reconcile() == 1.0
        assert "the runtime has the CNI plugin is not known yet" in scene.keeper.unready()
        scene.now += 1.0
    scene.elsewhere = "/etc/kubernetes/cni/net.d"
    while scene.keeper.reconcile() is not None:
        pass
    reason = scene.keeper.unready()
    assert "the runtime reads /etc/kubernetes/cni/net.d" in reason
    scene.elsewhere = None
    scene.keeper.reconcile()
    assert scene.keeper.unready() == reason, "no answer changes nothing"
    scene.elsewhere = ""
    scene.keeper.reconcile()
    assert scene.keeper.unready() == ""


def test_a_runtime_that_had_the_entry_is_asked_again_each_minute(scene: Scene) -> None:
    """The directory was replaced on the host: what the agent has mounted is no longer what the runtime reads."""
    scene.keeper.reconcile()
    scene.now += 60.0
    scene.elsewhere = None
    assert scene.keeper.reconcile() == 1.0
    assert scene.keeper.unready() == "", "no answer changes nothing"
    scene.elsewhere = "/etc/cni/net.d"
    while scene.keeper.reconcile() is not None:
        pass
    assert "the runtime reads /etc/cni/net.d" in scene.keeper.unready()


def test_a_runtime_that_reads_another_directory_is_named_with_the_remedy(scene: Scene) -> None:
    scene.elsewhere = "/etc/kubernetes/cni/net.d"
    while scene.keeper.reconcile() is not None:
        pass
    reason = scene.keeper.unready()
    assert "the runtime reads /etc/kubernetes/cni/net.d" in reason
    assert str(scene.file.parent) in reason
    assert "mount that directory where cni.confDir is" in reason


def test_a_runtime_is_not_asked_for_an_entry_that_does_not_belong_there(scene: Scene) -> None:
    scene.elsewhere, scene.multus = "/etc/cni/net.d", True
    scene.keeper.reconcile()
    assert scene.keeper.unready() == ""
