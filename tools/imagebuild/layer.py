"""A file system as one layer: the same bytes for the same content, whenever and wherever it was built."""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import io
import os
import re
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Layer", "write_layer"]

_LEFT_OUT = (
    # of the moment in which it was built
    "dev/*",
    "proc/*",
    "run/*",
    "sys/*",
    "tmp/*",
    "var/tmp/*",
    "var/log/*",
    "var/lib/apt/lists/*",
    "var/lib/apt/extended_states",
    "var/cache/*",
    "var/lib/dpkg/*-old",
    "var/lib/dpkg/lock*",
    "var/lib/dpkg/triggers/Lock",
    "var/lib/systemd/*",
    "etc/.pwd.lock",
    "etc/*-",
    "etc/machine-id",
    "root/.cache",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """digest: of the compressed bytes; content: of the tar in it; size: of the file, in bytes."""

    digest: str
    content: str
    size: int


def write_layer(root: Path, target: Path, *, time: int) -> Layer:
    """Write the file system below `root` as a compressed tar. time: of every file in it, seconds since 1970."""
    inside, outside = hashlib.sha256(), hashlib.sha256()
    with (
        target.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, mtime=0, fileobj=_Summed(file, outside)) as packed,
        tarfile.open(mode="w|", fileobj=_Summed(packed, inside), format=tarfile.PAX_FORMAT, bufsize=1 << 20) as tar,
    ):
        linked: dict[tuple[int, int], str] = {}
        for name in _names(root):
            _add(tar, root, name, time, linked)
    return Layer(digest=outside.hexdigest(), content=inside.hexdigest(), size=target.stat().st_size)


def _names(root: Path) -> list[str]:
    """Every path below the root that is packed, sorted; of a folder that is left out nothing is."""
    found: list[str] = []
    for folder, folders, files in os.walk(root):
        inside = "" if folder == str(root) else os.path.relpath(folder, root) + "/"
        folders[:] = [name for name in folders if not _left_out(inside + name)]
        found += [inside + name for name in (*folders, *files) if not _left_out(inside + name)]
    return sorted(found)


def _left_out(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in _LEFT_OUT)


def _add(tar: tarfile.TarFile, root: Path, name: str, time: int, linked: dict[tuple[int, int], str]) -> None:
    path = root / name
    status = path.lstat()
    info = tarfile.TarInfo(name)
    info.mode, info.uid, info.gid, info.mtime = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, time
    if stat.S_ISDIR(status.st_mode):
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
    elif stat.S_ISLNK(status.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
        tar.addfile(info)
    elif stat.S_ISREG(status.st_mode):
        first = linked.setdefault((status.st_dev, status.st_ino), name)
        if first != name:
            info.type, info.linkname = tarfile.LNKTYPE, first
            tar.addfile(info)
        elif name == "etc/shadow":
            content = _without_days(path.read_bytes(), time)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        else:
            info.size = status.st_size
            with path.open("rb") as file:
                tar.addfile(info, file)
    else:
        raise ValueError(f"{name} is neither a file nor a folder nor a link: an image has none of these")


def _without_days(shadow: bytes, time: int) -> bytes:
    """The day on which a password was set is the day of the image."""
    return re.sub(rb"^([^:]*:[^:]*):\d+:", rb"\g<1>:%d:" % (time // 86400), shadow, flags=re.MULTILINE)


class _Summed(io.RawIOBase):
    """Passes bytes on and hashes them."""

    def __init__(self, target: io.BufferedIOBase | gzip.GzipFile, total: hashlib._Hash) -> None:
        self._target, self._total = target, total

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._total.update(data)
        self._target.write(data)
        return len(data)
