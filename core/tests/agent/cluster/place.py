"""A directory of manifests, its store, and who looks at it, for the tests of the manifest directory.

`look` is called by hand, so that a test decides what two looks in a row find.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from secnet.agent.cluster.files._directory import ManifestDirectory
from secnet.agent.cluster.files.store import FileStore

from .helpers import NETWORKS


class Place:
    """A directory of manifests, its store, and who looks at it."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "manifests"
        self.path.mkdir()
        self.store = FileStore(tmp_path / "state")
        self.time = 1_700_000_000.0
        self.restart()

    def restart(self) -> None:
        """A new process looks at the same directory with the same store."""
        self.directory = ManifestDirectory(self.path, self.store, clock=lambda: self.time)

    def write(self, name: str, *objects: dict[str, Any]) -> Path:
        """A file replaced by rename, as a careful writer does."""
        path = self.path / name
        path.with_suffix(".tmp").write_text(yaml.safe_dump_all(objects))
        path.with_suffix(".tmp").rename(path)
        return path

    def look(self, times: int = 2) -> None:
        for _ in range(times):
            self.directory.look()

    @property
    def pods(self) -> list[str]:
        return [obj["metadata"]["name"] for obj in self.store.list("Pod")]

    def networks(self, name: str) -> str:
        return str(self.store.get("Pod", name)["metadata"]["annotations"][NETWORKS])

    @property
    def uids(self) -> dict[str, str]:
        return {obj["metadata"]["name"]: obj["metadata"]["uid"] for obj in self.store.list("Pod")}

    @property
    def messages(self) -> list[str]:
        return [str(problem) for problem in self.directory.problems()]
