"""A unix socket that only root reaches."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from secnet.agent.cni._listener import bind_listener, unbind
from secnet.contract import Conflict, InvalidConfig, MissingPrivilege

pytestmark = pytest.mark.kernel  # runs as root, as the agent does


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


def test_a_socket_of_mode_0600_in_a_directory_that_is_made(directory: Path) -> None:
    path = directory / "run/cni.sock"
    listener, identity = bind_listener(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    unbind(path, identity)
    listener.close()
    assert list(path.parent.iterdir()) == []


def test_one_that_no_one_serves_is_replaced_and_one_that_is_served_is_not(directory: Path) -> None:
    path = directory / "cni.sock"
    first, identity = bind_listener(path)
    with pytest.raises(Conflict, match="another process serves"):
        bind_listener(path)
    first.close()
    second, _ = bind_listener(path)
    unbind(path, identity)
    assert path.exists(), "it is its successor's"
    second.close()


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_a_directory_that_others_may_write_is_refused(directory: Path, mode: int) -> None:
    directory.chmod(mode)
    with pytest.raises(MissingPrivilege, match="others than root"):
        bind_listener(directory / "cni.sock")


def test_a_directory_of_another_owner_is_refused(directory: Path) -> None:
    os.chown(directory, 12345, 0)
    with pytest.raises(MissingPrivilege):
        bind_listener(directory / "cni.sock")


def test_a_file_is_not_taken(directory: Path) -> None:
    path = directory / "cni.sock"
    path.write_text("somebody's")
    with pytest.raises(Conflict, match="no socket"):
        bind_listener(path)
    assert path.read_text() == "somebody's"


def test_a_path_no_socket_can_have_is_refused(directory: Path) -> None:
    with pytest.raises(InvalidConfig, match="longer than"):
        bind_listener(directory / ("x" * 100))
