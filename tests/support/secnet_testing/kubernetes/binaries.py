"""The programs that the tests on a whole Kubernetes need, built once from Go modules and kept outside the checkout.

What is missing is built with progress on the standard error stream: about 7 minutes for Kubernetes on two cores. The folder is
SECNET_KUBERNETES_CACHE, or `secnet-kubernetes` in the user's cache folder. SECNET_KUBERNETES names another version than the
pinned one: `v1.33.6`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .go_toolchain import go_program

__all__ = ["cache_folder", "helm", "kube", "kubernetes_version", "locked", "remove_old"]

_MODULES = Path(__file__).resolve().parents[3] / "kubernetes/go"
_REPORT_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    """name: of the folder below tests/kubernetes/go and of the program. package: what is built in that module.
    packages: how many it compiles, about: for the progress. flags: for the linker. version: of Kubernetes, if it is one.
    """

    name: str
    package: str = "."
    packages: int
    flags: str = ""
    version: str = ""

    @property
    def module(self) -> Path:
        """Where its go.mod is."""
        return _MODULES / self.name

    @property
    def target(self) -> Path:
        """Where it is when it was built from what the checkout has."""
        content = hashlib.sha256()
        for file in sorted(self.module.iterdir()):
            content.update(file.read_bytes())
        content.update(f"{self.version} {self.package} {self.flags}".encode())
        return cache_folder() / f"{self.name}-{content.hexdigest()[:16]}"


def cache_folder() -> Path:
    """Where programs, images and Debian systems are kept."""
    if named := os.environ.get("SECNET_KUBERNETES_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "secnet-kubernetes"


def kubernetes_version() -> str:
    """Such as v1.34.4: what SECNET_KUBERNETES says, or else the go.mod."""
    if named := os.environ.get("SECNET_KUBERNETES"):
        return named
    return _pinned(_MODULES / "kube", "k8s.io/kubernetes")


def kube() -> Path:
    """The program that is each of Kubernetes' own, by its first argument."""
    return _built(_kube())


def helm() -> Path:
    """The program `helm`."""
    return _built(_helm())


def _kube() -> _Program:
    version = kubernetes_version()
    major, minor = version.removeprefix("v").split(".")[:2]
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    flags = " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items())
    return _Program(name="kube", packages=2300, flags=flags, version=version)


def _helm() -> _Program:
    """The Kubernetes that it takes a cluster for without asking one is set as in its releases."""
    minor = _pinned(_MODULES / "helm", "k8s.io/client-go").removeprefix("v0.").split(".")[0]
    places = ("chartutil", "lint/rules")
    values = {"k8sVersionMajor": "1", "k8sVersionMinor": minor}
    flags = " ".join(
        f"-X helm.sh/helm/v3/pkg/{place}.{name}={value}" for place in places for name, value in values.items()
    )
    return _Program(name="helm", package="helm.sh/helm/v3/cmd/helm", packages=400, flags=flags)


def _pinned(module: Path, dependency: str) -> str:
    match = re.search(rf"^\s*{re.escape(dependency)} (v\S+)", (module / "go.mod").read_text("utf-8"), re.MULTILINE)
    assert match, f"{module}/go.mod requires no {dependency}"
    return match[1]


def _built(program: _Program) -> Path:
    """A program from the cache, where it is built first if it is missing.

    The compiled packages, 5 GB, are kept until all programs are built: they share some, and a build that was killed goes on.
    """
    cache, work = cache_folder(), cache_folder() / "building"
    if not program.target.exists():
        work.mkdir(parents=True, exist_ok=True)
        with locked(cache / "programs.lock"):
            if not program.target.exists():  # another process may have built it while this one waited
                _build(program, work)
            if all(each.target.exists() for each in (_kube(), _helm())):
                shutil.rmtree(work, ignore_errors=True)
    return program.target


def _build(program: _Program, work: Path) -> None:
    cache = program.target.parent
    go = go_program(cache)
    source = work / f"source-{program.name}"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(program.module, source)
    # The user's own GOCACHE and GOMODCACHE are used where they are set.
    environment = {
        "GOCACHE": str(work / "compiled"),
        "GOMODCACHE": str(work / "modules"),
        **os.environ,
        "GOFLAGS": "-modcacherw",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
        "GOWORK": "off",
        "GOPATH": str(work / "path"),
    }
    _say(f"{program.name} {program.version}: downloading what it is built from")
    if program.version and program.version != _pinned(source, "k8s.io/kubernetes"):
        _other_version(source, program.version, go, environment)
    subprocess.run([go, "mod", "download"], cwd=source, env=environment, check=True)
    part = work / program.name
    # Without what only debuggers read; with fewer collections of garbage in the compiler.
    environment["GOGC"] = "400"
    options = [
        "-v",
        "-trimpath",
        "-buildvcs=false",
        "-gcflags=all=-dwarf=false",
        "-ldflags",
        f"-s -w {program.flags}",
        "-o",
        str(part),
    ]
    _watched([str(go), "build", *options, program.package], source, environment, program)
    remove_old(cache, f"{program.name}-*")
    part.rename(program.target)


def remove_old(cache: Path, pattern: str) -> None:
    """Remove files that no checkout used for a month."""
    for file in cache.glob(pattern):
        if time.time() - file.stat().st_atime > 30 * 24 * 3600:
            file.unlink()


def _other_version(source: Path, version: str, go: Path, environment: dict[str, str]) -> None:
    """Make the module require another version of Kubernetes; its checksums then come from the checksum database."""
    pinned = _pinned(source, "k8s.io/kubernetes")
    text = (source / "go.mod").read_text("utf-8")
    # The libraries of v1.34.4 are called v0.34.4. Indirect requirements are found again.
    text = text.replace(pinned, version).replace(f"v0{pinned[2:]}", f"v0{version[2:]}")
    text = re.sub(r"^require \([^)]*// indirect[^)]*\)\n", "", text, flags=re.MULTILINE)
    (source / "go.mod").write_text(text, "utf-8")
    (source / "go.sum").unlink()
    subprocess.run([go, "mod", "tidy"], cwd=source, env=environment, check=True)


def _watched(argv: list[str], source: Path, environment: dict[str, str], program: _Program) -> None:
    """Run the compiler, and say now and then how far it is."""
    began, said, count, tail = time.monotonic(), 0.0, 0, list[str]()
    with subprocess.Popen(argv, cwd=source, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:  # one for each package
            count += 1
            tail = [*tail[-20:], line]
            seconds = time.monotonic() - began
            if seconds - said >= _REPORT_SECONDS:
                said = seconds
                _say(f"{program.name}: {count} of about {program.packages} packages compiled, {seconds:.0f} s")
    if process.returncode:
        raise RuntimeError(f"{' '.join(argv)} in {source}:\n{''.join(tail)}")
    _say(f"{program.name}: built in {time.monotonic() - began:.0f} s")


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a file's lock: another process waits."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(text: str) -> None:
    print(f"kubernetes: {text}", file=sys.stderr, flush=True)
