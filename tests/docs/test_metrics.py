"""The metrics, their table in docs/operations.md, and the Grafana dashboard name the same things."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from secnet.agent.base.metrics import Sources
from secnet.agent.model.problem import Problem
from secnet.agent.model.report import NetworkReport, NodeState, PodReport
from secnet.agent.observe.prometheus import PrometheusMetrics
from secnet.contract import (
    Busy,
    ComponentState,
    ErrorInfo,
    NodeComponent,
    NodeObservation,
    PoolUsage,
    Traffic,
)
from secnet_testing.contract_objects import POD, record
from secnet_testing.documents import ROOT

DASHBOARD = ROOT / "deploy" / "grafana" / "secnet.json"
ALERTS = ROOT / "deploy" / "prometheus" / "rules.yaml"
UPLINK = NodeComponent(kind="uplink", name="eth1", state=ComponentState.UP)
OPERATIONS = ROOT / "docs" / "operations.md"
_ROW = re.compile(r"^\| `(secnet_\w+)` \| (\w+) \| (.*?) \|", re.MULTILINE)
_METRIC = re.compile(r"\b(?:secnet|process)_[a-z_]+")
_SELECTOR = re.compile(r"([a-z_]+)\{([^}]*)\}")
_BY = re.compile(r"\bby \(([^)]*)\)")
_PROMETHEUS = {"instance", "job", "le"}  # labels that Prometheus itself gives, and the one of buckets


@pytest.fixture(scope="module")
def page() -> str:
    """A page on which every metric has a value."""
    error = ErrorInfo(reason="Busy", message="x")
    network = NetworkReport(network="a/b", phase="Pending", network_type="vlan", error=error)
    metrics = PrometheusMetrics()
    metrics.observe(
        Sources(
            records=lambda: (record(),),
            reports=lambda: (PodReport(pod=POD, networks=(network,)),),
            stuck_calls=lambda: [("network_type", "vlan", "secnet-vlan", "attach")],
            ipam_types=lambda: {"antrea"},
            pool_usage=lambda ipam_type, cancel: (PoolUsage(pool="p", used=1, total=1),),
            traffic=lambda: ((record(), Traffic(received_bytes=1, received_packets=1, sent_bytes=1, sent_packets=1)),),
            node=lambda: (NodeState(network_type="vlan", observation=NodeObservation(components=(UPLINK,))),),
            problems=lambda: (Problem(source="a.yaml", message="x", hint="", since=""),),
        )
    )
    metrics.on_call("get", "Pod", 200, 0.1)
    metrics.on_entry_written()
    metrics.on_repair("vlan")
    with metrics.operation("attach", "vlan"), metrics.phase("attach", "vlan", "plan"):
        pass
    with pytest.raises(Busy), metrics.operation("attach", "vlan"):
        raise Busy("x")
    text = metrics.page().decode()
    metrics.close()
    return text


@pytest.fixture(scope="module")
def samples(page: str) -> dict[str, set[str]]:
    """Every sample of the page with its labels."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def _families(page: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name in PromQL (without the endings of a histogram), type and labels of each metric of ours."""
    found = {}
    for family in text_string_to_metric_families(page):
        if family.name.startswith("secnet_"):
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            found[name] = (family.type, tuple(sorted(labels)))
    return found


def test_the_table_lists_every_metric(page: str) -> None:
    rows = _ROW.findall(OPERATIONS.read_text(encoding="utf-8"))
    listed = {name: (kind, tuple(sorted(re.findall(r"`(\w+)`", labels)))) for name, kind, labels in rows}
    assert listed == _families(page)


def _dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return content


def _expressions(dashboard: Mapping[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (item["definition"] for item in dashboard["templating"]["list"] if "definition" in item)


def faults(expression: str, samples: Mapping[str, set[str]]) -> list[str]:
    """What an expression names that no agent has."""
    names = set(_METRIC.findall(expression))
    wrong = [f"there is no metric {name}" for name in names if name not in samples]
    known = set().union(*(samples.get(name, set()) for name in names)) | _PROMETHEUS
    for name, selector in _SELECTOR.findall(expression):
        labels = set(re.findall(r"(\w+)\s*[=!]", selector)) - samples.get(name, set()) - _PROMETHEUS
        wrong += [f"{name} has no label {label}" for label in sorted(labels)]
    for labels in _BY.findall(expression):
        wrong += [f"nothing has the label {label}" for label in re.split(r",\s*", labels) if label not in known]
    return wrong


def test_the_dashboard_names_only_what_there_is(samples: dict[str, set[str]]) -> None:
    expressions = list(_expressions(_dashboard()))
    assert len(expressions) > 15
    assert [(text, wrong) for text in expressions if (wrong := faults(text, samples))] == []


def test_every_metric_of_ours_is_on_the_dashboard(page: str) -> None:
    text = " ".join(_expressions(_dashboard()))
    assert [name for name in _families(page) if name not in text] == []


def _alerts() -> list[dict[str, Any]]:
    content = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    return [rule for group in content["spec"]["groups"] for rule in group["rules"]]


def test_the_alerts_name_only_what_there_is(samples: dict[str, set[str]]) -> None:
    expressions = [rule["expr"] for rule in _alerts()]
    assert [(text, wrong) for text in expressions if (wrong := faults(text, samples))] == []


def test_the_documents_say_what_to_do_at_each_alert() -> None:
    section = OPERATIONS.read_text(encoding="utf-8").split("\n## Alerts\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [rule["alert"] for rule in _alerts()]


@pytest.mark.parametrize(
    "expression",
    [
        "secnet_queue_lengths",
        'secnet_attachments{pod="x"}',
        "sum by (pod) (secnet_attachments)",
        'rate(secnet_operation_duration_seconds{operation="attach"}[5m])',
    ],
)
def test_a_wrong_expression_is_found(samples: dict[str, set[str]], expression: str) -> None:
    assert faults(expression, samples)


def test_panels_do_not_overlap_and_ids_are_unique() -> None:
    panels = _dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
