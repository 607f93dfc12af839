"""The agent dies before and after each step that a clean run does, and a plain start puts everything right."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet_testing.kill_point_count import CountPoints

from .points import run_points
from .scenarios import SCENARIOS, Scenario

pytestmark = [pytest.mark.ovs, pytest.mark.timeout(600)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_every_kill_point(scenario: type[Scenario], tmp_path: Path, count_points: CountPoints) -> None:
    points, failures = run_points(scenario, tmp_path)
    count_points(scenario.name, len(points))
    assert failures == [], "\n".join(failures)
