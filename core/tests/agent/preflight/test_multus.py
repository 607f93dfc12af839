"""Multus is remembered: its configuration goes away with its daemon, and comes back with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from secnet.agent.config.settings import Settings
from secnet.agent.model.multus import MultusState
from secnet.agent.preflight.multus import Multus, memory_path, remembered_since

CONF = json.dumps({"cniVersion": "1.0.0", "name": "m", "type": "multus-shim"})
NOW = "1970-01-01T00:01:40Z"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """Where the daemon writes its configuration."""
    (tmp_path / "net.d").mkdir()
    return tmp_path / "net.d/00-multus.conf"


@pytest.fixture
def made(tmp_path: Path, conf: Path) -> Callable[..., Multus]:
    """An agent's view, which looks again at every call."""

    def make(*, on_look: Callable[[MultusState], None] = lambda state: None, **settings: object) -> Multus:
        given = Settings(node_name="n1", state_dir=tmp_path / "state", cni_conf_dir=conf.parent, **settings)  # type: ignore[arg-type]
        return Multus(given, look_seconds=0.0, clock=lambda: 100.0, on_look=on_look)

    return make


def test_it_is_remembered_while_it_is_away_and_by_the_next_agent(conf: Path, made: Callable[..., Multus]) -> None:
    multus = made()
    assert (multus(), multus.problems()) == (False, ())
    conf.write_text(CONF)
    assert (multus(), multus.problems()) == (True, ())
    conf.unlink()
    assert multus()
    assert made()()


def test_what_is_remembered_is_shown_with_what_ends_it(tmp_path: Path, conf: Path, made: Callable[..., Multus]) -> None:
    conf.write_text(CONF)
    multus = made()
    assert multus()
    path = memory_path(Settings(node_name="n1", state_dir=tmp_path / "state"))
    assert remembered_since(path) == NOW
    conf.unlink()
    (problem,) = multus.problems()
    assert not problem.note
    assert NOW in problem.message
    assert str(path) in problem.hint
    assert "multus: absent" in problem.hint
    path.unlink()
    assert (multus(), multus.problems()) == (False, ())


def test_absent_forgets_and_is_the_administrators_word(conf: Path, made: Callable[..., Multus]) -> None:
    conf.write_text(CONF)
    assert made()()
    assert not made(multus="absent")()
    conf.unlink()
    assert not made()()


def test_present_needs_no_configuration(conf: Path, made: Callable[..., Multus]) -> None:
    assert made(multus="present")()
    assert not made()(), "nothing was seen"
    conf.write_text(CONF)
    assert made(multus="present")()
    conf.unlink()
    assert made()()


def test_who_asks_learns_whether_it_is_away_and_what_to_do(conf: Path, made: Callable[..., Multus]) -> None:
    seen: list[MultusState] = []
    for mode, remedy in (("auto", "remove "), ("present", "remove `multus: present`")):
        conf.write_text(CONF)
        multus = made(multus=mode, on_look=seen.append)
        assert multus()
        assert seen[-1] == MultusState(serves=True)
        conf.unlink()
        assert multus()
        assert seen[-1].serves
        assert str(conf.parent) in seen[-1].away
        assert remedy in seen[-1].remedy
    made(multus="absent", on_look=seen.append)()
    assert seen[-1] == MultusState()


def test_what_cannot_be_written_is_known_to_this_process(
    tmp_path: Path, conf: Path, made: Callable[..., Multus]
) -> None:
    (tmp_path / "state").write_text("a file in the place of the directory")
    conf.write_text(CONF)
    multus = made()
    assert multus()
    conf.unlink()
    assert multus()
    (tmp_path / "state").unlink()
    assert multus()
    assert made()(), "it is written as soon as that can be done"


def test_it_is_remembered_where_its_configuration_cannot_be_checked(conf: Path, made: Callable[..., Multus]) -> None:
    conf.write_text(CONF)
    assert made()()
    conf.unlink()
    conf.parent.rmdir()
    conf.parent.write_text("a file in the place of the directory")
    assert made()()
