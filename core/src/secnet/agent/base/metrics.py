"""What the agent measures. `Metrics` itself measures nothing: it stands where no HTTP server is configured.

The core calls these methods whether or not values are kept. `secnet.agent.observe.prometheus` has the variant that counts; it
alone needs the extra `cluster`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from secnet.contract import Metric, PoolUsage, Traffic

from ..model.problem import Problem
from ..model.record import Record
from ..model.report import NodeState, PodReport

__all__ = ["Metrics", "Sources"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What is read at each scrape, instead of being counted.

    queue_length: Pods waiting or worked on. queue_age: seconds for which the oldest due Pod waits for a worker.
    plugins: what drivers and backends measure, each value with its whole name. traffic: through each interface.
    stuck_calls: kind (`network_type` or `ipam_type`), name, distribution and method of each call that is beyond its deadline.
    node: the per-node state of each driver.
    problems: with the source of the objects. unready: why the agent is not ready. resynced: when everything was last compared
    with its desired state, in seconds since the epoch; 0 before the first time.
    ipam_types: IPAM types of this node's attachments. pool_usage: how full the pools of one are, read until
    the event is set; may raise SecnetError.
    """

    records: Callable[[], Iterable[Record]] = tuple
    reports: Callable[[], Iterable[PodReport]] = tuple
    queue_length: Callable[[], int] = int
    queue_age: Callable[[], float] = float
    plugins: Callable[[], Iterable[tuple[str, Metric]]] = tuple
    traffic: Callable[[], Iterable[tuple[Record, Traffic]]] = tuple
    node: Callable[[], Iterable[NodeState]] = tuple
    problems: Callable[[], Iterable[Problem]] = tuple
    unready: Callable[[], Iterable[str]] = tuple
    resynced: Callable[[], float] = float
    stuck_calls: Callable[[], Iterable[tuple[str, str, str, str]]] = tuple
    ipam_types: Callable[[], Iterable[str]] = tuple
    pool_usage: Callable[[str, threading.Event], tuple[PoolUsage, ...]] = field(default=lambda ipam_type, cancel: ())


class Metrics:
    """Takes what happened and forgets it. Every method may be called from any thread and never raises."""

    def operation(self, operation: str, network_type: str) -> AbstractContextManager[object]:
        """Put this around one attach, detach, undo or check; an exception that leaves it is a failure and passes on."""
        return nullcontext()

    def phase(self, operation: str, network_type: str, phase: str) -> AbstractContextManager[object]:
        """Put this around a part of an operation."""
        return nullcontext()

    def on_call(self, verb: str, kind: str, status: int, seconds: float) -> None:
        """One request to the Kubernetes API is over.

        verb: as in RBAC, such as `get`. status: the HTTP status, 0 without an answer.
        """

    def on_entry_written(self) -> None:
        """The entry of the CNI plugin was not in the runtime's network as it should be, and was written."""

    def on_repair(self, network_type: str) -> None:
        """A living interface that had drifted from its record was repaired."""

    def observe(self, sources: Sources) -> None:
        """Say where the rest is found."""

    def page(self) -> bytes:
        """All values in Prometheus' text format."""
        return b""

    def close(self) -> None:
        """Leave no thread behind. May be called twice."""
