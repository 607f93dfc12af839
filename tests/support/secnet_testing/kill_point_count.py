"""Counts the kill points of the run and says how many there were at its end. A pytest plugin; the root conftest.py loads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from .samplechoice import seed_of

CountPoints = Callable[[str, int], None]
_WORKER_KEY = "kill_points"
_KEY = pytest.StashKey[Counter[str]]()


def _counts(config: pytest.Config) -> Counter[str]:
    return config.stash.setdefault(_KEY, Counter())


@pytest.fixture
def count_points(request: pytest.FixtureRequest) -> CountPoints:
    """Call it with the name of a scenario and how many of its points were tried."""

    def count(name: str, number: int) -> None:
        _counts(request.config)[name] += number

    return count


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands over what it counted."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output[_WORKER_KEY] = dict(_counts(session.config))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    if counted := getattr(node, "workeroutput", {}).get(_WORKER_KEY):
        _counts(node.config).update(counted)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    counts = _counts(config)
    if counts:
        parts = ", ".join(f"{name} {number}" for name, number in counts.items())
        share = "all" if config.getoption("all") else f"a third in turn, --seed {seed_of(config)}; ARGS=--all tries all"
        terminalreporter.write_line(f"kill points: {counts.total()} ({parts}; {share})")
