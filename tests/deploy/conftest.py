"""The objects of the base."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from secnet_testing.documents import ROOT


@pytest.fixture
def built() -> dict[str, Any]:
    """The objects of deploy/install.yaml by kind, of which there is one each."""
    objects = list(yaml.safe_load_all((ROOT / "deploy/install.yaml").read_text()))
    by_kind = {obj["kind"]: obj for obj in objects}
    assert len(by_kind) == len(objects)
    return by_kind
