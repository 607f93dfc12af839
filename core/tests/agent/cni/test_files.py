"""Files that are replaced whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from secnet.agent.cni._files import replace_file, replace_link


def test_content_and_mode_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    replace_file(path, b"one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    replace_file(path, b"two", mode=0o755)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"two", 0o755)
    assert [each.name for each in tmp_path.iterdir()] == ["a.conf"]


def test_mode_and_owner_of_another_file(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.write_bytes(b"")
    model.chmod(0o640)
    replace_file(tmp_path / "a.conf", b"x", like=model)
    found, wanted = (tmp_path / "a.conf").stat(), model.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, wanted.st_uid, wanted.st_gid)


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    replace_file(path, b"one")
    with pytest.raises(FileNotFoundError):
        replace_file(path, b"two", like=tmp_path / "none")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("a.conf", b"one")]


def test_a_link_takes_the_place_of_whatever_file_was_there(tmp_path: Path) -> None:
    path = tmp_path / "link"
    path.write_text("a file")
    replace_link(path, "/run/one.sock")
    replace_link(path, "/run/two.sock")
    assert os.readlink(path) == "/run/two.sock"
    assert [each.name for each in tmp_path.iterdir()] == ["link"]
