"""Times as the Kubernetes API writes them."""

from __future__ import annotations

import pytest
from secnet.agent.base.clock import rfc3339


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_utc_and_whole_seconds_wherever_the_node_is(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    assert rfc3339(0) == "1970-01-01T00:00:00Z"
    assert rfc3339(1_700_000_000.9) == "2023-11-14T22:13:20Z"
