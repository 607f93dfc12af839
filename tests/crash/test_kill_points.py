"""The agent dies before and after each step that a clean run does, and a plain start puts everything right."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet_testing.kill_point_count import CountPoints
from secnet_testing.samplechoice import seed_of

from .points import run_points
from .scenarios import SCENARIOS, Scenario

THIRDS = 3

pytestmark = [pytest.mark.ovs, pytest.mark.timeout(600)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_every_kill_point(
    scenario: type[Scenario], tmp_path: Path, count_points: CountPoints, pytestconfig: pytest.Config
) -> None:
    """A third of the points in turn, another one with each seed; all of them with `--all`, as in .ci/run."""
    turn = slice(None) if pytestconfig.getoption("all") else slice(seed_of(pytestconfig) % THIRDS, None, THIRDS)
    points, failures = run_points(scenario, tmp_path, turn=turn)
    count_points(scenario.name, len(points))
    assert failures == [], "\n".join(failures)
