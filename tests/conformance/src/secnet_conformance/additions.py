"""What plugins add to the doctor and to the metrics: whether it has the promised shape."""

from __future__ import annotations

import re
from typing import Any

from secnet.contract import METRIC_KINDS, DoctorLevel, DoctorResult, Metric

__all__ = ["must_be_metrics", "must_be_results"]

_METRIC = re.compile("[a-z][a-z0-9_]*")


def must_be_results(results: Any) -> None:
    """Fail with what is wrong with the answer of `doctor`."""
    assert isinstance(results, tuple), f"doctor returned {results!r}"
    for item in results:
        assert isinstance(item, DoctorResult), f"doctor gave {item!r}"
        assert item.what, f"it does not say what was checked: {item}"
        fits = bool(item.remedy) == (item.level is not DoctorLevel.OK)
        assert fits, f"remedy says what to do about what is not ok: {item}"


def must_be_metrics(found: Any) -> None:
    """Fail with what is wrong with the answer of `metrics`."""
    shapes: dict[str, tuple[object, ...]] = {}
    assert isinstance(found, tuple), f"metrics returned {found!r}"
    for item in found:
        assert isinstance(item, Metric), f"metrics gave {item!r}"
        assert _METRIC.fullmatch(item.name), f"{item.name!r} is no name of a metric"
        assert item.kind in METRIC_KINDS, f"{item.name} is of the kind {item.kind!r}"
        assert item.help, f"{item.name} has no help"
        shape = (item.kind, item.help, tuple(sorted(item.labels)))
        assert shapes.setdefault(item.name, shape) == shape, f"values of {item.name} differ in kind, help or labels"
