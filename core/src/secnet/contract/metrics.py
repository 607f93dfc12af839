"""What a plugin adds to the agent's metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .codec import freeze

__all__ = ["METRIC_KINDS", "Metric", "PoolUsage"]

METRIC_KINDS = frozenset({"gauge", "counter"})
"""`counter` only grows while the agent lives; `gauge` may do anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One value, as it is now.

    name: lower-case words joined by `_`, with the unit, such as `uplink_speed_bits`. The core exports a driver's as
    `secnet_TYPE_NAME` and a backend's as `secnet_ipam_TYPE_NAME`, what a name may not hold replaced by `_`, and a counter's
    with `_total`.
    help: one sentence. kind: of METRIC_KINDS. All values of one name have the same help, kind and label names.
    """

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    kind: str = "gauge"

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", freeze(self.labels))


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolUsage:
    """How full a pool of addresses is, over all nodes. total: None where it cannot be counted."""

    pool: str
    used: int
    total: int | None = None
