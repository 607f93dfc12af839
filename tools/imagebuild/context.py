"""The files of the repository that an image is made of, and the time that stands in it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Context", "source_date"]


class Context:
    """A copy of the repository's files, tracked or new, but not of what git ignores. Modes are 755 or 644, whatever the umask."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.folder = folder
        names = _git(repository, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
        for name in sorted(set(names) - {""}):
            source, target = repository / name, folder / name
            if source.is_symlink() or not source.is_file():  # a link in the build context is followed by nothing here
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(0o755 if os.access(source, os.X_OK) and source.stat().st_mode & 0o100 else 0o644)

    def digest(self, sources: list[str]) -> str:
        """One hash over names, modes and contents of these files and folders."""
        total = hashlib.sha256()
        for path in self._files(sources):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(self.folder)}\0{path.stat().st_mode:o}\0{content}\n".encode())
        return total.hexdigest()

    def _files(self, sources: list[str]) -> Iterator[Path]:
        for source in sources:
            path = self.folder / source
            if not path.exists():
                raise FileNotFoundError(f"the Dockerfile copies {source}, which is not in the repository")
            yield from [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())


def source_date(repository: Path) -> int:
    """Seconds since 1970: SOURCE_DATE_EPOCH, or the time of the commit."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return int(given) if given else int(_git(repository, "log", "-1", "--format=%ct"))


def _git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), "-c", f"safe.directory={repository}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
