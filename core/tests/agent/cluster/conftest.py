"""Fixtures of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from .place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty directory of manifests and an empty store."""
    return Place(tmp_path)
