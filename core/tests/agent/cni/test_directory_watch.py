"""Waiting for other programs' changes of a directory, by the kernel's events."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from secnet.agent.cni._directory_watch import DirectoryWatch
from secnet_conformance.needs import requires_command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.d").mkdir()
    (tmp_path / "net.d/a").write_text("1")
    return tmp_path / "net.d"


@pytest.fixture
def watch(folder: Path) -> Iterator[DirectoryWatch]:
    watch = DirectoryWatch([folder])
    assert not watch.wait(0.0)
    yield watch
    watch.close()


CHANGES: dict[str, Callable[[Path], object]] = {
    "written": lambda folder: (folder / "a").write_text("2"),
    "made": lambda folder: (folder / "b").touch(),
    "linked": lambda folder: (folder / "b").symlink_to("a"),
    "removed": lambda folder: (folder / "a").unlink(),
    "renamed": lambda folder: (folder / "a").rename(folder / "b"),
    "replaced": lambda folder: (
        (folder.parent / "new").write_text("2") and os.replace(folder.parent / "new", folder / "a")
    ),
    "mode": lambda folder: (folder / "a").chmod(0o600),
    "gone": lambda folder: ((folder / "a").unlink(), folder.rmdir()),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_ends_the_wait(folder: Path, watch: DirectoryWatch, change: Callable[[Path], object]) -> None:
    change(folder)
    assert watch.wait(3600.0)
    assert not watch.wait(0.0)


def test_what_is_only_read_is_no_change(folder: Path, watch: DirectoryWatch) -> None:
    assert (folder / "a").read_text() == "1"
    assert not watch.wait(0.0)


def test_a_directory_that_comes_later_is_watched_from_the_next_wait_on(tmp_path: Path) -> None:
    watch = DirectoryWatch([tmp_path / "later"])
    assert not watch.wait(0.0)
    (tmp_path / "later").mkdir()
    assert not watch.wait(0.0)
    (tmp_path / "later/a").touch()
    assert watch.wait(3600.0)
    watch.close()


def test_it_is_woken_by_another_thread(watch: DirectoryWatch) -> None:
    thread = threading.Thread(target=watch.wake)
    thread.start()
    assert watch.wait(3600.0)
    thread.join()
    assert not watch.wait(0.0)


def test_waking_a_watch_that_is_closed_does_nothing(tmp_path: Path) -> None:
    """An agent that ends wakes all its loops twice."""
    watch = DirectoryWatch([tmp_path])
    watch.close()
    watch.wake()


def test_without_directories_it_only_waits() -> None:
    watch = DirectoryWatch([])
    assert not watch.works
    assert not watch.wait(0.0)
    watch.wake()
    assert watch.wait(3600.0)
    watch.close()


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("limit", "remedy"),
    [
        ("max_inotify_watches", "fs.inotify.max_user_watches"),
        ("max_inotify_instances", "fs.inotify.max_user_instances"),
    ],
)
def test_a_limit_of_the_kernel_is_noticed_and_named_once(folder: Path, limit: str, remedy: str) -> None:
    """In a user namespace, which has limits of its own."""
    requires_command("unshare")
    code = (
        "import pathlib, sys\n"
        "from secnet.agent.cni._directory_watch import DirectoryWatch\n"
        f"limit = pathlib.Path('/proc/sys/user/{limit}')\n"
        "before = limit.read_text()\n"
        "limit.write_text('0')\n"
        "watch = DirectoryWatch([pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[1], 'none')])\n"
        "said = [watch.works]\n"
        "for _ in range(2):\n"
        "    assert not watch.wait(0.0)\n"
        "limit.write_text(before)\n"
        "watch.begin()\n"
        "print(*said, watch.works)\n"
    )
    enter = ["unshare", "--user", "--map-root-user"]
    done = subprocess.run(
        [*enter, sys.executable, "-c", code, folder], capture_output=True, text=True, timeout=60, check=True
    )
    again = limit == "max_inotify_watches"  # an instance is asked for once
    assert done.stdout.split() == ["False", str(again)]
    (warning,) = done.stderr.splitlines()
    assert f"changes of {folder}" in warning
    assert f"raise the sysctl {remedy} of the node" in warning
