"""All checks in their order, and one that fails itself."""

from __future__ import annotations

from typing import Any

from secnet.agent.doctor._base import ok
from secnet.agent.doctor._examine import CHECKS, run_checks


def test_every_check_of_the_package_is_run_once() -> None:
    assert len(set(CHECKS)) == len(CHECKS) >= 12
    assert all(check.__name__.startswith("check_") for check in CHECKS)


def test_a_check_that_fails_itself_is_a_result_and_stops_no_other(make_host: Any) -> None:
    def check_broken(host: Any) -> Any:
        raise RuntimeError("x")

    results = list(run_checks(make_host(), (check_broken, lambda host: [ok("next", "fine")])))
    assert [(result.level, result.what) for result in results] == [("warn", "check broken"), ("ok", "next")]
    assert "RuntimeError('x')" in results[0].finding
