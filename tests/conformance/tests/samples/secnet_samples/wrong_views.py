"""Plugins that are wrong in what they say of options, of the node or of themselves, in one way each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from secnet.contract import (
    Call,
    ComponentState,
    DoctorLevel,
    DoctorResult,
    InvalidConfig,
    Metric,
    NodeComponent,
    NodeObservation,
)
from secnet.linux.rtnl import host_rtnl

from .leases import ListBackend
from .pair import PairDriver

__all__ = [
    "CountsSpokenly",
    "DoctorsWithoutAdvice",
    "HidesReasons",
    "MeasuresUnevenly",
    "ObservesByRepairing",
    "PoolsWithoutAdvice",
    "ValidatesByHost",
    "WatchesForEver",
]


class ValidatesByHost(PairDriver):
    """validate looks at the machine that it happens to run on."""

    network_type = "validates-by-host"

    def validate(self, options: Mapping[str, Any]) -> None:
        if not self.host.run_dir.is_dir():
            raise InvalidConfig("there is no run directory", hint="make it")


class ObservesByRepairing(PairDriver):
    """observe_node puts right what it sees."""

    network_type = "observes-by-repairing"

    def observe_node(self, call: Call) -> NodeObservation:
        with host_rtnl() as kernel:
            link = kernel.link("slot0")
            if link is not None:
                kernel.set_link(link.index, alias=f"{link.alias}+")
        return NodeObservation()


class HidesReasons(PairDriver):
    """A component is degraded, and no one learns why."""

    network_type = "hides-reasons"

    def observe_node(self, call: Call) -> NodeObservation:
        return NodeObservation(components=(NodeComponent(kind="slot", name="slot0", state=ComponentState.DEGRADED),))


class WatchesForEver(PairDriver):
    """watch_node does not look at its call."""

    network_type = "watches-for-ever"

    def watch_node(self, notify: Callable[[], None], call: Call) -> None:
        notify()
        Call().cancel.wait(30)


class DoctorsWithoutAdvice(PairDriver):
    """A result of doctor that does not say what to do."""

    network_type = "doctors-without-advice"

    def doctor(self, call: Call) -> tuple[DoctorResult, ...]:
        return (DoctorResult(level=DoctorLevel.FAIL, what="slots", finding="worn out"),)


class PoolsWithoutAdvice(ListBackend):
    """The same of a backend."""

    ipam_type = "pools-without-advice"

    def doctor(self, call: Call) -> tuple[DoctorResult, ...]:
        return (DoctorResult(level=DoctorLevel.WARN, what="pools", finding="nearly full"),)


class CountsSpokenly(ListBackend):
    """The name of a metric is none."""

    ipam_type = "counts-spokenly"

    def metrics(self, call: Call) -> tuple[Metric, ...]:
        return (Metric(name="Pools in use", help="Pools", value=1),)


class MeasuresUnevenly(PairDriver):
    """Two values of one name have different labels."""

    network_type = "measures-unevenly"

    def metrics(self, call: Call) -> tuple[Metric, ...]:
        return (
            Metric(name="slots", help="Slots", value=1, labels={"a": "1"}),
            Metric(name="slots", help="Slots", value=1, labels={"b": "1"}),
        )
