"""Numbers out of samples. Times come in as seconds and leave as milliseconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

__all__ = ["ms", "percentile", "ratio", "summary"]


def percentile(samples: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: the smallest sample that at least `percent` of all samples do not exceed."""
    ordered = sorted(samples)
    if not ordered:
        raise ValueError("there is no sample")
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def ms(seconds: float) -> float:
    """Seconds as milliseconds with three decimals."""
    return round(seconds * 1000, 3)


def summary(samples: Sequence[float]) -> dict[str, Any]:
    """What a report says of the samples, in milliseconds."""
    return {
        "n": len(samples),
        "p50_ms": ms(percentile(samples, 50)),
        "p90_ms": ms(percentile(samples, 90)),
        "p99_ms": ms(percentile(samples, 99)),
        "mean_ms": ms(sum(samples) / len(samples)),
        "min_ms": ms(min(samples)),
        "max_ms": ms(max(samples)),
    }


def ratio(ours: float, theirs: float) -> float:
    """Ours divided by theirs, three decimals."""
    return round(ours / theirs, 3)
