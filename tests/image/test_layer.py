"""A layer: the same bytes for the same content, and nothing of the moment in which it was built."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
from imagebuild.layer import write_layer

TIME = 1_700_000_000


def tree(root: Path, *, names: list[str], time: int, day: int) -> Path:
    """A file system whose files were made in this order, and then."""
    for folder in ("etc", "usr/bin", "var/log", "var/cache/apt", "var/lib/dpkg", "dev", "tmp"):
        (root / folder).mkdir(parents=True)
    for name in names:
        (root / "usr/bin" / name).write_text(name)
        os.utime(root / "usr/bin" / name, (time, time))
    (root / "usr/bin/a").chmod(0o755)
    os.link(root / "usr/bin/a", root / "usr/bin/z")
    (root / "bin").symlink_to("usr/bin")
    (root / "etc/shadow").write_text(f"root:*:{day}:0:99999:7:::\n_apt:!:{day}::::::\n")
    (root / "etc/passwd-").write_text(str(time))
    (root / "etc/machine-id").write_text(str(time))
    (root / "var/log/dpkg.log").write_text(str(time))
    (root / "var/lib/dpkg/status-old").write_text(str(time))
    (root / "var/cache/apt/pkgcache.bin").write_text(str(time))
    return root


def test_two_builds_of_one_content_are_one_layer(tmp_path: Path) -> None:
    first = write_layer(tree(tmp_path / "a", names=["a", "b"], time=1, day=10), tmp_path / "a.gz", time=TIME)
    second = write_layer(tree(tmp_path / "b", names=["b", "a"], time=2, day=11), tmp_path / "b.gz", time=TIME)
    assert first == second
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert first.size == (tmp_path / "a.gz").stat().st_size


def test_what_is_packed(tmp_path: Path) -> None:
    root = tree(tmp_path / "a", names=["a", "b"], time=1, day=10)
    write_layer(root, tmp_path / "a.gz", time=TIME)
    with tarfile.open(tmp_path / "a.gz") as tar:
        files = {info.name: info for info in tar}
        shadow = tar.extractfile("etc/shadow")
        assert shadow is not None
        assert shadow.read().decode().splitlines() == ["root:*:19675:0:99999:7:::", "_apt:!:19675::::::"]
    assert list(files) == sorted(files)
    assert {name for name, info in files.items() if not info.isdir()} == {
        "bin", "etc/shadow", "usr/bin/a", "usr/bin/b", "usr/bin/z"
    }  # fmt: skip
    assert {"dev", "tmp", "var/log", "var/cache"} <= files.keys(), "empty, but there"
    assert {info.mtime for info in files.values()} == {TIME}
    assert (files["usr/bin/a"].mode, files["usr/bin/b"].mode) == (0o755, 0o644)
    assert (files["usr/bin/z"].islnk(), files["usr/bin/z"].linkname) == (True, "usr/bin/a")
    assert (files["bin"].issym(), files["bin"].linkname) == (True, "usr/bin")


def test_a_file_that_no_image_has_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is neither"):
        write_layer(tmp_path, tmp_path.parent / "layer.gz", time=TIME)
