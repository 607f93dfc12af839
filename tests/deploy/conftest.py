"""The built kustomizations."""

from __future__ import annotations

from typing import Any

import pytest
from secnet_testing.documents import ROOT
from secnet_testing.kustomize import build

OVERLAYS = sorted(path.name for path in (ROOT / "deploy/overlays").iterdir())
BUILDS = ("base", *(f"overlays/{name}" for name in OVERLAYS))


@pytest.fixture(params=BUILDS)
def built(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The objects of the base, and of each overlay, by kind: there is one of each."""
    objects = build(ROOT / "deploy" / request.param)
    by_kind = {obj["kind"]: obj for obj in objects}
    assert len(by_kind) == len(objects)
    return {"name": request.param, **by_kind}
