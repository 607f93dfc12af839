"""The system that stages begin with: the smallest Debian, without what the -slim images of Debian leave out either."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

__all__ = ["debian", "release_of"]

_SLIM = """\
# Written by tools/image, after the example of Debian's own -slim images: neither documents nor translations, and no waiting for
# the disk after each file.
force-unsafe-io
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/groff/*
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/linda/*
path-exclude /usr/share/locale/*
path-include /usr/share/locale/locale.alias
path-exclude /usr/share/man/*
"""


def release_of(image: str) -> str:
    """The Debian release that an image of `debian:RELEASE-slim` has. Raises ValueError for other images."""
    found = re.fullmatch(r"(?:[^\s]*/)?debian:([a-z]+)-slim", image)
    if not found:
        raise ValueError(
            f"the Dockerfile begins with {image!r}; without a docker engine it has to be debian:RELEASE-slim"
        )
    return found[1]


def debian(folder: Path, *, release: str, mirror: str, packages: Path, log: Path) -> None:
    """Make the base in an empty folder; `packages` keeps what was downloaded.

    Raises RuntimeError with the end of the log if debootstrap fails.
    """
    packages.mkdir(parents=True, exist_ok=True)
    command = ["debootstrap", "--variant=minbase", f"--cache-dir={packages.resolve()}", release, str(folder), mirror]
    with log.open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise RuntimeError("\n".join([*lines[-30:], f"debootstrap {release} failed; the whole output is in {log}"]))
    (folder / "etc/dpkg/dpkg.cfg.d/slim").write_text(_SLIM, encoding="utf-8")
    _slim(folder / "usr/share")
    # Of the machine, and put there by debootstrap. A container gets files of its own over these.
    for name in ("hostname", "hosts", "resolv.conf"):
        (folder / "etc" / name).write_text("")
    for name in ("etc/apt/sources.list", "etc/machine-id"):
        (folder / name).unlink(missing_ok=True)
    for path in (folder / "var/cache/apt/archives").glob("*.deb"):
        path.unlink()


def _slim(share: Path) -> None:
    for name in ("groff", "info", "lintian", "linda", "man"):
        for path in (share / name).glob("*"):
            _remove(path)
    for path in (share / "locale").glob("*"):
        if path.name != "locale.alias":
            _remove(path)
    for path in (share / "doc").glob("*/*"):
        if path.name != "copyright":
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
