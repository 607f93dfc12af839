"""The numbers behind the report."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    """The benchmark is no installed package: it is imported from the root of the workspace."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        yield {name: importlib.import_module(f"benchmarks.{name}") for name in ("figures", "goals", "report")}


@given(st.lists(st.floats(0, 100), min_size=1), st.sampled_from([1, 50, 90, 99, 100]))
def test_a_percentile_is_the_smallest_sample_that_enough_do_not_exceed(
    modules: dict[str, ModuleType], samples: list[float], percent: int
) -> None:
    found = modules["figures"].percentile(samples, percent)
    enough = [value for value in samples if sum(other <= value for other in samples) * 100 >= percent * len(samples)]
    assert found == min(enough)


def test_no_samples_have_no_percentile(modules: dict[str, ModuleType]) -> None:
    with pytest.raises(ValueError, match="no sample"):
        modules["figures"].percentile([], 50)


def data(ours: float, cni: float | None, ours_rate: float, cni_rate: float | None, rss: float) -> dict[str, object]:
    single: dict[str, object] = {"ours": {"both": {"p50_ms": ours}}}
    burst: dict[str, object] = {"ours": {"attach": {"per_second": ours_rate}}}
    if cni is not None:
        single["cni"] = {"both": {"p50_ms": cni}}
    if cni_rate is not None:
        burst["cni"] = {"attach": {"per_second": cni_rate}}
    return {"one_by_one": single, "burst": burst, "agent": {"idle_rss_mb": rss, "attachments": 100}}


@pytest.mark.parametrize(
    ("numbers", "reached"),
    [
        (data(10.0, 10.0, 200.0, 100.0, 60.0), [True, True, True]),
        (data(10.1, 10.0, 199.0, 100.0, 60.1), [False, False, False]),
        (data(10.0, None, 200.0, None, 20.0), [None, None, True]),
    ],
)
def test_goals_are_judged_at_their_limits(
    modules: dict[str, ModuleType], numbers: dict[str, object], reached: list[bool | None]
) -> None:
    assert [goal["reached"] for goal in modules["goals"].goals(numbers)] == reached


def test_parts_lose_no_time(modules: dict[str, ModuleType]) -> None:
    spans = {"veth.create": 1.0, "port.add": 2.0, "driver.check": 4.0, "driver.attach": 8.0, "mystery.step": 16.0}
    groups = modules["report"].grouped(spans)
    assert sum(groups.values()) == sum(spans.values())
    assert groups["other steps"] == 16.0
    assert groups["reading back (netlink, OVS)"] == 4.0
