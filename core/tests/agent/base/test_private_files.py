"""Lock files and directories of ours are closed to every other user, also those that an older version left open."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from secnet.agent.base.private_files import make_private, open_lock


def mode(path: Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize("before", [None, 0o644, 0o666, 0o640])
def test_a_lock_file_is_closed_to_others(tmp_path: Path, before: int | None) -> None:
    path = tmp_path / "lock"
    if before is not None:
        path.touch()
        path.chmod(before)
    os.close(open_lock(path))
    assert mode(path) == 0o600


def test_who_only_reads_closes_it_too_and_makes_none(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(FileNotFoundError):
        open_lock(path, create=False)
    path.touch()
    path.chmod(0o644)
    os.close(open_lock(path, create=False))
    assert mode(path) == 0o600


@pytest.mark.parametrize("before", [None, 0o755, 0o777])
def test_a_directory_is_closed_to_others(tmp_path: Path, before: int | None) -> None:
    path = tmp_path / "state" / "objects"
    if before is not None:
        path.mkdir(parents=True)
        path.chmod(before)
    make_private(path)
    assert mode(path) == 0o700
