"""What a check is given and what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from secnet.agent.doctor._base import Level, fail, ok, warn


def test_a_result_in_one_line() -> None:
    assert str(ok("mounts", "all there")) == "ok    mounts: all there"
    assert str(warn("mounts", "hidden", "look")) == "warn  mounts: hidden; look"
    assert str(fail("mounts", "none", "mount")) == "FAIL  mounts: none; mount"
    assert fail("a", "b", "c").level == Level.FAIL


def test_paths_are_looked_for_below_the_root(make_host: Any, tmp_path: Path) -> None:
    assert make_host(root=tmp_path).path("/run/secnet") == tmp_path / "run/secnet"
    assert make_host(root=Path("/")).path(Path("/run")) == Path("/run")
