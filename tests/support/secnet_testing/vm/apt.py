"""Debian packages without the machine's own package database: an apt root of its own, and archives unpacked into a folder.

Nothing below /etc/apt or /var is changed. The mirror, the way to it and its keys are those of the machine's own apt.
"""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["MirrorUnreachable", "PrepareError", "PrivateApt", "is_unreachable", "machine_mirror", "unpack"]

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_MERGED = ("bin", "sbin", "lib", "lib64")
_COPIED = re.compile(r"(?i)^(Acquire::(http|https|Retries|ForceIPv|Check-))")
# What apt says when it did not get as far as an answer. A mirror that answers, be it with an error, is reachable.
_UNREACHABLE = (
    "could not resolve",
    "temporary failure resolving",
    "could not connect to",
    "cannot initiate the connection",
    "unable to connect to",
    "connection timed out",
    "connection failed",
    "no route to host",
    "network is unreachable",
)


class PrepareError(Exception):
    """What a guest needs could not be made; the text says what failed and what to do."""


class MirrorUnreachable(PrepareError):
    """The package mirror could not be reached: the one reason for which no guest can be made here and now."""


def is_unreachable(text: str) -> bool:
    """Whether apt's output says that it reached no mirror at all."""
    lowered = text.lower()
    return any(phrase in lowered for phrase in _UNREACHABLE)


def machine_mirror(suite: str) -> str:
    """Address of the repository from which this machine's apt takes the suite; SECNET_VM_MIRROR names another one.

    Raises PrepareError when apt here has no such repository.
    """
    if chosen := os.environ.get("SECNET_VM_MIRROR"):
        return chosen
    wanted = ["--format", "$(REPO_URI)", "Created-By: Packages", f"Release: {suite}"]
    found = _run(["apt-get", "indextargets", *wanted], os.environ).split()
    if not found:
        raise PrepareError(f"apt on this machine has no repository of {suite}: name a mirror in SECNET_VM_MIRROR")
    return found[0]


class PrivateApt:
    """An apt root in `folder` that knows the packages of `suites` and takes nothing as installed.

    release: the suite that is preferred (apt-get -t), None for the only one.
    """

    def __init__(self, folder: Path, mirror: str, suites: Sequence[str], release: str | None = None) -> None:
        self._folder = folder
        self._release = ["-t", release] if release else []
        for part in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d"):
            (folder / part).mkdir(parents=True)
        for part in ("var/lib/apt/lists/partial", "var/lib/dpkg", "var/cache/apt/archives/partial", "var/log/apt"):
            (folder / part).mkdir(parents=True)
        (folder / "var/lib/dpkg/status").touch()
        signed = f" [signed-by={_KEYRING}]" if os.path.exists(_KEYRING) else ""
        lines = [f"deb{signed} {mirror} {suite} main\n" for suite in suites]
        (folder / "etc/apt/sources.list").write_text("".join(lines))
        (folder / "apt.conf").write_text(_configuration(folder))

    def update(self) -> None:
        """Fetch the lists. Raises MirrorUnreachable or PrepareError."""
        self._get("-o", "APT::Update::Error-Mode=any", "update")

    def depends(self, package: str) -> list[str]:
        """The packages that a package depends on, first alternatives only."""
        text = _run(["apt-cache", *self._release, "depends", "--important", package], self._environment())
        return re.findall(r"^ {2}Depends: ([^<\s]+)$", text, re.MULTILINE)

    def fetch_with_dependencies(self, *packages: str) -> list[Path]:
        """Fetch packages and all they depend on, nothing left out; returns the archives."""
        self._get("--download-only", "install", *packages)
        return sorted((self._folder / "var/cache/apt/archives").glob("*.deb"))

    def fetch(self, folder: Path, *packages: str) -> list[Path]:
        """Fetch just these packages into a folder; returns the archives."""
        folder.mkdir(parents=True, exist_ok=True)
        self._get("download", *packages, cwd=folder)
        return sorted(folder.glob("*.deb"))

    def _get(self, *args: str, cwd: Path | None = None) -> None:
        _run(["apt-get", "-qq", "-y", "--no-install-recommends", *self._release, *args], self._environment(), cwd)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "APT_CONFIG": str(self._folder / "apt.conf"), "LC_ALL": "C"}


def unpack(archives: Iterable[Path], folder: Path) -> None:
    """Unpack archives into a folder in which /bin, /sbin, /lib and /lib64 are links, as on every Debian of today."""
    for name in _MERGED:
        (folder / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"usr/{name}")
    for archive in archives:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as reader:
            into = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(folder)]
            done = subprocess.run(into, stdin=reader.stdout, capture_output=True, text=True, check=False)
        if done.returncode or reader.returncode:
            raise PrepareError(f"{archive.name} cannot be unpacked into {folder}: {done.stderr.strip()}")


def _configuration(folder: Path) -> str:
    """The private root, and what lets apt reach the mirrors that the machine's own apt reaches."""
    own = [
        f'Dir "{folder}";',
        f'Dir::State::status "{folder}/var/lib/dpkg/status";',
        'Dir::Etc::netrc "/etc/apt/auth.conf";',
        'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";',
        'APT::Architecture "amd64";',
        'APT::Architectures { "amd64"; };',
        f'APT::Sandbox::User "{pwd.getpwuid(os.getuid()).pw_name}";',
        'Acquire::Languages "none";',
        'Acquire::Retries "2";',
    ]
    dump = _run(["apt-config", "dump"], os.environ).splitlines()
    return "\n".join([*own, *(line for line in dump if _COPIED.match(line))]) + "\n"


def _run(argv: Sequence[str], environment: object, cwd: Path | None = None) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=dict(environment), cwd=cwd)  # type: ignore[call-overload]
    if done.returncode:
        said = f"{done.stderr.strip()}\n{done.stdout.strip()}".strip()
        kind = MirrorUnreachable if is_unreachable(said) else PrepareError
        raise kind(f"{' '.join(argv[:8])} failed ({done.returncode}): {said[-1500:]}")
    return done.stdout
