"""What the metrics say after real operations of the pipeline, and what is looked up when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from secnet.agent.base.metrics import Metrics, Sources
from secnet.agent.model.record import Phase
from secnet.agent.model.report import NetworkReport, PodReport
from secnet.agent.observe.prometheus import PrometheusMetrics
from secnet.agent.process.metrics import make_metrics
from secnet.contract import Busy, Call, ErrorInfo, PoolUsage
from secnet_testing.contract_objects import POD, record
from secnet_testing.scripted_plugins import Rig, fail, make_rig


@pytest.fixture
def metrics() -> Iterator[PrometheusMetrics]:
    made = PrometheusMetrics()
    yield made
    made.close()


@pytest.fixture
def rig(tmp_path: Path, metrics: PrometheusMetrics) -> Rig:
    return make_rig(tmp_path, metrics)


def _value(metrics: Metrics, sample: str, **labels: str) -> float | None:
    """The value of a sample on the page that Prometheus reads."""
    for family in text_string_to_metric_families(metrics.page().decode()):
        for item in family.samples:
            if item.name == sample and item.labels == labels:
                return item.value
    return None


def _count(metrics: Metrics, operation: str, phase: str) -> float | None:
    name = "secnet_operation_duration_seconds_count"
    return _value(metrics, name, operation=operation, network_type="toy", phase=phase)


def _failures(metrics: Metrics, operation: str, reason: str) -> float | None:
    name = "secnet_operation_failures_total"
    return _value(metrics, name, operation=operation, network_type="toy", reason=reason)


def test_an_attach_and_a_detach_are_timed_by_phase(rig: Rig, metrics: PrometheusMetrics) -> None:
    made = rig.attach()
    for phase in ("plan", "allocate", "attach", "verify", "total"):
        assert _count(metrics, "attach", phase) == 1, phase
    assert _count(metrics, "detach", "total") is None
    rig.pipeline.detach(made, Call.within(5))
    assert _count(metrics, "detach", "total") == 1


def test_failures_are_counted_by_reason_and_not_timed(rig: Rig, metrics: PrometheusMetrics) -> None:
    rig.script.instead |= {"attach": fail(Busy("x")), "detach": fail(RuntimeError("x"))}
    with pytest.raises(Busy):
        rig.attach()
    assert _failures(metrics, "attach", "Busy") == 1
    assert _failures(metrics, "undo", "ContractViolation") == 1
    assert _count(metrics, "attach", "total") is None
    assert _count(metrics, "attach", "attach") is None


def test_no_series_tells_when_it_began(rig: Rig, metrics: PrometheusMetrics) -> None:
    rig.attach()
    assert b"_created" not in metrics.page()


def test_calls_to_the_api_are_counted(metrics: PrometheusMetrics) -> None:
    metrics.on_call("patch", "Pod", 409, 0.01)
    metrics.on_call("get", "Pod", 0, 5)
    assert _value(metrics, "secnet_api_calls_total", verb="patch", kind="Pod", status="409") == 1
    assert _value(metrics, "secnet_api_call_duration_seconds_sum", verb="get", kind="Pod") == 5


def test_what_is_looked_up(metrics: PrometheusMetrics) -> None:
    error = ErrorInfo(reason="Busy", message="x")
    report = PodReport(
        pod=POD, networks=(NetworkReport(network="a/b", phase="Pending", network_type="toy", error=error),)
    )
    metrics.observe(
        Sources(
            records=lambda: (record("eth1"), record("eth2"), record("eth3", phase=Phase.DETACHING)),
            reports=lambda: (report, PodReport(pod=POD, error=error)),
            queue_length=lambda: 7,
            queue_age=lambda: 1.5,
            ipam_types=lambda: {"antrea"},
            pool_usage=lambda ipam_type, cancel: (PoolUsage(pool="p", used=3, total=90),),
        )
    )
    assert _value(metrics, "secnet_attachments", network_type="toy", phase="Attached") == 2
    assert _value(metrics, "secnet_attachments", network_type="toy", phase="Detaching") == 1
    assert _value(metrics, "secnet_network_errors", network_type="toy", reason="Busy") == 1
    assert _value(metrics, "secnet_network_errors", network_type="", reason="Busy") == 1
    assert _value(metrics, "secnet_queue_length") == 7
    assert _value(metrics, "secnet_queue_age_seconds") == 1.5
    assert _value(metrics, "secnet_pool_addresses", ipam_type="antrea", pool="p") == 90
    assert _value(metrics, "secnet_pool_used_addresses", ipam_type="antrea", pool="p") == 3


def test_a_part_that_cannot_be_read_takes_no_other_away(metrics: PrometheusMetrics) -> None:
    def fail_to_read() -> Any:
        raise RuntimeError("x")

    metrics.observe(Sources(records=fail_to_read, queue_length=lambda: 7))
    assert _value(metrics, "secnet_queue_length") == 7


def test_two_agents_of_one_process_stay_apart(metrics: PrometheusMetrics) -> None:
    other = PrometheusMetrics()
    metrics.on_call("get", "Pod", 200, 0.01)
    assert _value(other, "secnet_api_calls_total", verb="get", kind="Pod", status="200") is None


def test_without_a_server_nothing_is_counted_and_nothing_is_swallowed() -> None:
    metrics = make_metrics(False)
    assert isinstance(make_metrics(True), PrometheusMetrics)
    with pytest.raises(Busy), metrics.operation("attach", "toy"):
        raise Busy("x")
    with metrics.phase("attach", "toy", "plan"):
        pass
    metrics.on_call("get", "Pod", 200, 0.1)
    metrics.observe(Sources())
    assert metrics.page() == b""
    metrics.close()
