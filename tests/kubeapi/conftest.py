"""The API servers that the rules of this folder are tried on."""

from __future__ import annotations

import pytest
from secnet_testing.kubeapi.api_server import ApiServer


@pytest.fixture(params=["double", pytest.param("real", marks=pytest.mark.kubernetes)])
def api(request: pytest.FixtureRequest) -> ApiServer:
    """The double, and a real one: what a test of this folder says holds for both."""
    found: ApiServer = request.getfixturevalue("kubeapi" if request.param == "double" else "real_api")
    return found
