"""Runs the stages of a Dockerfile. Each is a folder, a copy of what it begins with; its commands have that folder as root.

Copies and no overlay: that works on every file system, also where the root is an overlay itself. A stage whose lines, sources
and beginning are those of an earlier run is taken from the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import string
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .context import Context
from .dockerfile import Instruction, Stage
from .machine import MOUNTED, Machine

__all__ = ["Built", "Builder"]

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
_KEPT = 2
"""How many folders of one stage stay in the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A stage that was run. key: what identifies its content; variables: its ENV; directory: its WORKDIR."""

    key: str
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    directory: str = "/"


class Builder:
    """Runs stages one after the other.

    cache: folder of the stages that were run before. say: takes a line for each step. base: of an image's name, makes its
    system in a folder; base_key identifies what comes out.
    """

    def __init__(
        self,
        *,
        context: Context,
        machine: Machine,
        cache: Path,
        base: Callable[[str, Path], None],
        base_key: str,
        say: Callable[[str], None],
    ) -> None:
        self._context, self._machine, self._cache, self._say = context, machine, cache, say
        self._base, self._base_key = base, base_key
        self._built: dict[str, Built] = {}

    def run(self, stage: Stage, image: str) -> Built:
        """The stage's folder; `image` is what it begins with: the name of an earlier stage, or of an image."""
        parent = self._built.get(image) or self._from_image(image)
        name = stage.name or "final"
        key = self._key(stage, parent)
        target = self._cache / f"{name}-{key[:16]}"
        variables, directory = dict(parent.variables), parent.directory
        if target.is_dir():
            self._say(f"{name}: unchanged")
            os.utime(target)
            for item in stage.instructions:
                variables, directory = _settings(item, variables, directory)
        else:
            new = self._empty(f"{name}.new")
            _copy(parent.folder, new)
            with self._entered(new):
                for item in stage.instructions:
                    variables, directory = _settings(item, variables, directory)
                    self._do(item, new, variables, directory, name)
            new.rename(target)
            self._forget_old(name)
        built = Built(key=key, folder=target, variables=variables, directory=directory)
        self._built[name] = built
        return built

    def _from_image(self, image: str) -> Built:
        key = hashlib.sha256(f"{image}\n{self._base_key}".encode()).hexdigest()
        target = self._cache / f"base-{key[:16]}"
        if not target.is_dir():
            self._say(image)
            new = self._empty("base.new")
            self._base(image, new)
            new.rename(target)
        os.utime(target)
        self._forget_old("base")
        self._built[image] = Built(key=key, folder=target, variables={"PATH": _PATH})
        return self._built[image]

    def _empty(self, name: str) -> Path:
        """A new folder in the cache, in place of what a build that was cut short left. It becomes a root, hence its mode."""
        path = self._cache / name
        if path.exists():
            shutil.rmtree(path)
        path.mkdir(mode=0o755)
        return path

    def _forget_old(self, name: str) -> None:
        found = sorted(self._cache.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in found[_KEPT:]:
            shutil.rmtree(path)

    def _key(self, stage: Stage, parent: Built) -> str:
        parts: list[object] = [parent.key, parent.variables, parent.directory]
        for item in stage.instructions:
            parts += [item.word, item.text]
            if item.word == "COPY":
                source = item.option("from")
                parts.append(self._built[source].key if source else self._context.digest(item.arguments[:-1]))
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    # --- One stage -------------------------------------------------------------------------------------------------------

    def _do(self, item: Instruction, root: Path, variables: dict[str, str], directory: str, name: str) -> None:
        if item.word == "WORKDIR":
            (root / directory[1:]).mkdir(parents=True, exist_ok=True)
        elif item.word == "COPY":
            source = item.option("from")
            *copied, target = item.arguments
            place = os.path.join(directory, target)
            for one in copied:
                path = self._built[source].folder / one.lstrip("/") if source else self._context.folder / one
                into = len(copied) > 1 or target.endswith("/")
                _copy(path, root / (os.path.join(place, path.name) if into and path.is_file() else place)[1:])
        elif item.word == "RUN":
            self._say(f"{name}: {' '.join(item.text.split())[:100]}")
            command = ["chroot", str(root), "/bin/sh", "-c", f"cd {shlex.quote(directory)} && {item.text}"]
            environment = {**self._machine.variables, **variables}
            log = self._cache / f"{name}.log"
            with log.open("wb") as output:
                done = subprocess.run(
                    command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
                )
            if done.returncode:
                lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
                raise RuntimeError(
                    "\n".join([*lines[-30:], f"stage {name}: exit code {done.returncode} of: {item.text}"])
                )

    @contextlib.contextmanager
    def _entered(self, root: Path) -> Iterator[None]:
        """The stage's kernel file systems, devices, and settings of the machine are mounted for the time of its commands."""
        mounted: list[Path] = []

        def mount(*arguments: str, at: str) -> None:
            place = root / at
            if not place.exists():
                raise FileNotFoundError(f"the system in {root} has no /{at}")
            subprocess.run(["mount", *arguments, str(place)], check=True)
            mounted.append(place)

        try:
            mount("-t", "proc", "proc", at="proc")
            mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", at="dev")
            for device in _DEVICES:
                (root / "dev" / device).touch()
                mount("--bind", f"/dev/{device}", at=f"dev/{device}")
            (root / "dev/shm").mkdir(mode=0o1777)
            (root / "dev/fd").symlink_to("/proc/self/fd")
            mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", at="run")
            (root / "run/lock").mkdir(mode=0o1777)
            (root / MOUNTED[1:]).mkdir()
            mount("--bind", str(self._machine.folder), at=MOUNTED[1:])
            for name, cache in self._machine.caches.items():
                mount("--bind", str(cache), at=f"{MOUNTED[1:]}/{name}")
            for name in ("resolv.conf", "hosts"):
                mount("--bind", str(self._machine.folder / name), at=f"etc/{name}")
            yield
        finally:
            for place in reversed(mounted):
                subprocess.run(["umount", "--lazy", str(place)], check=True)


def _settings(item: Instruction, variables: dict[str, str], directory: str) -> tuple[dict[str, str], str]:
    """The variables and the working directory after this instruction."""
    if item.word == "ENV":
        pairs = (word.partition("=") for word in shlex.split(item.text))
        return {
            **variables,
            **{name: string.Template(value).substitute(variables) for name, _, value in pairs},
        }, directory
    if item.word == "WORKDIR":
        return variables, os.path.join(directory, item.text)
    return variables, directory


def _copy(source: Path, target: Path) -> None:
    """The content of a folder into a folder, or a file to a path; owners, modes, links and times stay."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        target.mkdir(exist_ok=True)
        subprocess.run(["cp", "-a", "--reflink=auto", f"{source}/.", f"{target}/"], check=True)
    else:
        subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)
