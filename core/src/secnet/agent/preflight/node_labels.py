"""The labels of the agent's own Node, by which a node group is chosen.

What the agent works by is kept in stateDir: for an agent that starts while the API is away, and for commands beside the agent.
"""

from __future__ import annotations

import json
import os
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from ..base.os_errors import translated
from ..base.private_files import make_private
from ..cluster.interface import ApiReader
from ..config.settings import Settings

__all__ = ["read_labels", "remember_labels", "remembered_labels"]


def read_labels(reader: ApiReader, settings: Settings) -> dict[str, str]:
    """What the Node has now: one request. Raises what the API answers."""
    node = reader.get(f"/api/v1/nodes/{settings.node_name}")
    return {str(key): str(value) for key, value in (node["metadata"].get("labels") or {}).items()}


def remember_labels(settings: Settings, labels: Mapping[str, str]) -> None:
    """Keep the labels that an agent works by. Raises what an OSError there means."""
    memory, text = _memory(settings), json.dumps(dict(labels), sort_keys=True)
    with translated(memory):
        make_private(memory.parent)
        temporary = memory.with_name(f".{memory.name}.tmp")
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, memory)


def remembered_labels(settings: Settings) -> dict[str, str] | None:
    """What the last agent of this node worked by; None where none has, or where the file is broken."""
    try:
        found = json.loads(_memory(settings).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _memory(settings: Settings) -> Path:
    return settings.state_dir / "node-labels" / f"{urllib.parse.quote(settings.node_name, safe='')}.json"
