"""Whether the plugin is to stand in the runtime's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet.agent.cni.install_flag import InstallFlag
from secnet.contract import Unavailable


def test_it_is_on_until_it_is_turned_off_and_on_again_when_an_agent_starts(tmp_path: Path) -> None:
    done: list[str] = []
    flag = InstallFlag(tmp_path / "run")
    assert flag.if_on(lambda: done.append("written"))
    flag.turn_off(lambda: done.append("removed"))
    assert not InstallFlag(tmp_path / "run").if_on(lambda: done.append("written again"))
    flag.turn_on()
    assert flag.if_on(lambda: done.append("written"))
    assert done == ["written", "removed", "written"]


def test_what_fails_within_leaves_no_lock_behind(tmp_path: Path) -> None:
    flag = InstallFlag(tmp_path)

    def fail() -> None:
        raise Unavailable("no")

    with pytest.raises(Unavailable):
        flag.turn_off(fail)
    assert not flag.if_on(lambda: None), "it is off: what was to be removed must not be written again"
