"""Metrics that plugins bring."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from secnet.agent.attach.plugin_calls import Plugins
from secnet.agent.base.metrics import Sources
from secnet.agent.config.settings import Settings
from secnet.agent.observe._plugin_metrics import plugin_metrics
from secnet.agent.observe.prometheus import PrometheusMetrics
from secnet.contract import Metric
from secnet_testing.scripted_plugins import Script, toy_registry


@pytest.fixture
def metrics() -> Iterator[PrometheusMetrics]:
    made = PrometheusMetrics()
    yield made
    made.close()


def measuring(*metrics: Metric) -> Plugins:
    """Toys whose driver and backend measure this."""
    toys = toy_registry(Script())
    driver, backend = toys.drivers["toy"], toys.backends["pool"]
    methods: dict[str, Any] = {"metrics": lambda plugin, call: metrics}
    registry = dataclasses.replace(
        toys,
        drivers={"toy-x": dataclasses.replace(driver, name="toy-x", cls=type("Toy", (driver.cls,), methods))},
        backends={"pool": dataclasses.replace(backend, cls=type("Pool", (backend.cls,), methods))},
    )
    return Plugins(registry, Settings(node_name="n"), objects=None)  # type: ignore[arg-type]  # no toy asks for objects


def test_what_plugins_measure_has_their_name_in_front(metrics: PrometheusMetrics) -> None:
    plugins = measuring(
        Metric(name="uplink_up", help="Whether it is up", value=1, labels={"uplink": "eth1"}),
        Metric(name="uplink_up", help="Whether it is up", value=0, labels={"uplink": "eth2"}),
        Metric(name="drops", help="Drops", value=7, kind="counter"),
    )
    metrics.observe(Sources(plugins=lambda: plugin_metrics(plugins)))
    page = metrics.page().decode()
    for line in (
        "# TYPE secnet_toy_x_uplink_up gauge",
        'secnet_toy_x_uplink_up{uplink="eth1"} 1.0',
        'secnet_toy_x_uplink_up{uplink="eth2"} 0.0',
        "# TYPE secnet_toy_x_drops_total counter",
        "secnet_toy_x_drops_total 7.0",
        "secnet_ipam_pool_drops_total 7.0",
    ):
        assert line in page.splitlines(), page


def test_a_metric_that_is_none_takes_no_other_away(metrics: PrometheusMetrics) -> None:
    plugins = measuring(
        Metric(name="Bad name", help="", value=1),
        Metric(name="odd", help="", value=1, kind="histogram"),
        Metric(name="good", help="Good", value=2, labels={"a": "1"}),
        Metric(name="good", help="Good", value=3, labels={"b": "1"}),
    )
    metrics.observe(Sources(plugins=lambda: plugin_metrics(plugins), queue_length=lambda: 3))
    lines = metrics.page().decode().splitlines()
    assert [line for line in lines if line.startswith("secnet_toy_x")] == ['secnet_toy_x_good{a="1"} 2.0']
    assert "secnet_queue_length 3.0" in lines


def test_a_plugin_that_measures_something_else_loses_its_own_values_only(metrics: PrometheusMetrics) -> None:
    wrong: Any = 7
    plugins = measuring(wrong)
    metrics.observe(Sources(plugins=lambda: plugin_metrics(plugins), queue_length=lambda: 3))
    lines = metrics.page().decode().splitlines()
    assert not [line for line in lines if line.startswith("secnet_toy_x")]
    assert "secnet_queue_length 3.0" in lines
