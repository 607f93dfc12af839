"""Which network types had a section in the node configuration, and may have per-node state: a file for each."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

from ..base.os_errors import translated
from ..base.private_files import make_private
from ..config.settings import Settings

__all__ = ["NodeMarks"]


class NodeMarks:
    """In stateDir, since per-node state may survive a reboot (OVSDB rows), and by node, since nodes may share that directory."""

    def __init__(self, settings: Settings) -> None:
        self._marks = settings.state_dir / "configured"
        self._folder = self._marks / _file(settings.node_name) / _file(settings.owner_tag)

    def all(self) -> list[str]:
        """The network types, sorted."""
        with translated(self._folder):
            names = [path.name for path in self._folder.iterdir()] if self._folder.is_dir() else []
        return sorted(map(urllib.parse.unquote, names))

    def has(self, network_type: str) -> bool:
        """Whether this one is among them."""
        return self._path(network_type).exists()

    def set(self, network_type: str) -> None:
        """Before the driver is called: afterwards may never come."""
        path = self._path(network_type)
        with translated(path):
            make_private(self._marks)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def clear(self, network_type: str) -> None:
        """Once nothing is left of what it made."""
        with translated(self._path(network_type)):
            self._path(network_type).unlink(missing_ok=True)

    def _path(self, network_type: str) -> Path:
        return self._folder / _file(network_type)


def _file(name: str) -> str:
    return urllib.parse.quote(name, safe="")
