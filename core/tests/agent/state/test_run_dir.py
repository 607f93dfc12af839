"""Whose the run directory is: it may be removed under its holder, and its records belong to one state directory."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from secnet.agent.state.journal import Journal
from secnet.agent.state.run_dir import RunDirInUse, RunDirLock, bind_store, require_store
from secnet.contract import Conflict, Unavailable
from secnet_testing.contract_objects import record
from secnet_testing.full_disk import fill, small_disk


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_a_held_lock_is_not_lost(run_dir: Path) -> None:
    lock = RunDirLock(run_dir)
    lock.acquire("secnet agent")
    assert not lock.is_lost()
    lock.release()


def test_a_lock_is_lost_with_its_directory_and_can_be_taken_again(run_dir: Path) -> None:
    lock = RunDirLock(run_dir)
    lock.acquire("secnet agent")
    shutil.rmtree(run_dir)
    assert lock.is_lost()
    lock.release()
    lock.acquire("secnet agent")
    assert not lock.is_lost()
    with pytest.raises(RunDirInUse):
        RunDirLock(run_dir).acquire("secnet apply")
    lock.release()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Everybody may enter it, as an administrator or the kubelet may have made it."""
    path = Path(tempfile.mkdtemp(prefix="sn"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_the_run_directory_and_its_lock_are_its_owners_alone(run_dir: Path) -> None:
    lock = RunDirLock(run_dir)
    lock.acquire("secnet agent")
    assert stat.S_IMODE(os.stat(run_dir).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(run_dir / "agent.lock").st_mode) == 0o600
    lock.release()


@pytest.mark.kernel
@pytest.mark.parametrize("left", [None, 0o644], ids=["new", "of an earlier version"])
def test_no_other_user_keeps_the_agent_from_its_start(open_directory: Path, left: int | None) -> None:
    path = open_directory / "agent.lock"
    if left is not None:
        path.touch()
        path.chmod(left)
    first = RunDirLock(open_directory)
    first.acquire("secnet agent")
    first.release()
    command = ["flock", "--shared", "--nonblock", path, "sleep", "60"]
    other = subprocess.run(command, user=65534, group=65534, capture_output=True, check=False, timeout=60)
    assert b"Permission denied" in other.stderr
    first.acquire("secnet agent")
    first.release()


@pytest.mark.kernel
def test_a_full_disk_keeps_no_process_from_the_lock(tmp_path: Path) -> None:
    with small_disk(tmp_path / "run") as disk:
        fill(disk)
        lock = RunDirLock(disk)
        lock.acquire("secnet agent")
        with pytest.raises(RunDirInUse):
            RunDirLock(disk).acquire("secnet apply")
        with pytest.raises(Unavailable, match="No space left"):
            bind_store(disk, tmp_path / "state")
        lock.release()


def test_a_waiter_has_it_after_the_other(run_dir: Path) -> None:
    first, second = RunDirLock(run_dir), RunDirLock(run_dir)
    first.acquire("secnet agent")
    said: list[str] = []

    def wait(exc: RunDirInUse) -> bool:
        said.append(exc.message)
        if len(said) == 2:
            first.release()
        return True

    second.acquire("the next", wait)
    assert len(said) == 2
    assert "secnet agent" in said[0]
    with pytest.raises(RunDirInUse, match="the next"):
        first.acquire("secnet agent", lambda exc: False)
    second.release()


def test_a_lock_is_lost_to_the_one_who_made_the_file_again(run_dir: Path) -> None:
    first, second = RunDirLock(run_dir), RunDirLock(run_dir)
    first.acquire("secnet agent")
    (run_dir / "agent.lock").rename(
        run_dir / "moved"
    )  # the old file lives on, so the new one is sure to be another inode
    second.acquire("secnet apply")
    assert first.is_lost()
    assert not second.is_lost()
    first.release()
    with pytest.raises(RunDirInUse, match=r"secnet apply \(pid "):
        first.acquire("secnet agent")
    second.release()


def test_records_bind_the_run_directory_to_their_state_directory(run_dir: Path, tmp_path: Path) -> None:
    Journal(run_dir / "journal").write(record())
    bind_store(run_dir, tmp_path / "state")
    require_store(run_dir, tmp_path / "state")
    with pytest.raises(Conflict) as caught:
        require_store(run_dir, tmp_path / "other")
    assert all(str(path) in str(caught.value) for path in (run_dir, tmp_path / "state", tmp_path / "other"))
    assert "--state-dir" in str(caught.value)
    with pytest.raises(Conflict):
        bind_store(run_dir, tmp_path / "other")
    require_store(run_dir, tmp_path / "state")


def test_another_path_to_the_same_state_directory_is_the_same(run_dir: Path, tmp_path: Path) -> None:
    Journal(run_dir / "journal").write(record())
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "state")
    bind_store(run_dir, tmp_path / "link")
    require_store(run_dir, tmp_path / "state")
    require_store(run_dir, tmp_path / "state" / ".." / "state")


def test_without_records_another_state_directory_is_welcome(run_dir: Path, tmp_path: Path) -> None:
    journal = Journal(run_dir / "journal")
    bind_store(run_dir, tmp_path / "state")
    bind_store(run_dir, tmp_path / "other")
    journal.write(record())
    with pytest.raises(Conflict):
        require_store(run_dir, tmp_path / "state")


def test_a_run_directory_of_no_owner_is_free(run_dir: Path, tmp_path: Path) -> None:
    require_store(run_dir, tmp_path / "state")
    Journal(run_dir / "journal").write(record())  # as an agent wrote it that did not bind its directory yet
    require_store(run_dir, tmp_path / "state")
