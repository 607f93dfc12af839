"""What the benchmark of Pods says about its figures, and the configuration of the rival that runs where it is given."""

from __future__ import annotations

from typing import Any

from benchmarks.pod_multus import multus_configuration, networks
from benchmarks.pod_report import report, too_busy

NODE = {"n1": 50.0, "n2": 40.0}


def row(rival: str, kind: str, number: int, seconds: float, *, busy: float = 0.1, requests: int = 12) -> dict[str, Any]:
    return {
        "rival": rival,
        "networks": kind,
        "pods": 2,
        "round": number,
        "ready": [seconds, seconds],
        "whole": seconds,
        "busy": busy,
        "rss": NODE,
        "cpu": {"n1": 0.1, "n2": 0.3},
        "requests": {"patch pods/status": requests},
    }


def data(rows: list[dict[str, Any]], load: float = 0.2) -> dict[str, Any]:
    took = {"p50_ms": 6.0, "max_ms": 7.0, "cpu_p50_ms": 1.0}
    machine = {"cpu": "a processor", "cores": 2, "memory_mb": 4096, "load_before": load}
    return {
        "machine": machine,
        "machine_after": machine,
        "kubernetes": "v1.34.4",
        "quick": False,
        "plugin": {"small": took, "large": took, "calls": 0},
        "bursts": rows,
        "idle": {"pods": 2, "rss_mb": NODE, "cpu_percent": {"n1": 0.5, "n2": 0.4}},
        "not_measured": ["another: no programs of it were given"],
    }


def rounds(kind: str, *seconds: float) -> list[dict[str, Any]]:
    return [row("ours", kind, number, each) for number, each in enumerate(seconds, 1)]


def test_each_figure_is_the_median_of_the_rounds_with_its_spread() -> None:
    text = report(data([*rounds("none", 1, 2, 4), *rounds("one", 2, 6, 4), *rounds("two", 4, 8, 16)]))
    (one,) = (line.split() for line in text.splitlines() if line.strip().startswith("one network"))
    assert " ".join(one) == ("one network 4.00 [2.00 - 6.00] 4.00 [2.00 - 6.00] 2.00 [1.00 - 3.00] 50.0 200.0 6.00"), (
        "the ratio is that of a round to Pods without networks in the same one"
    )
    assert "6.00 in the worst round of 2 Pods; the goal is at most 6: reached" in text
    assert "6.00 ms (at most 7.00, CPU 1.00); the goal is at most 5: MISSED" in text
    assert "not measured: another" in text
    assert "TOO BUSY" not in text


def test_a_busy_machine_does_not_count() -> None:
    quiet, disturbed = rounds("none", 1), [row("ours", "one", 1, 1, busy=0.9), row("ours", "two", 1, 1)]
    assert too_busy(data(quiet)) == []
    assert too_busy(data(quiet, load=3.0)) == ["the load before was 3.0 on 2 cores"]
    (reason,) = too_busy(data([*quiet, *disturbed]))
    assert reason.startswith("before 1 of 3 bursts")
    assert "TOO BUSY TO COUNT" in report(data([*quiet, *disturbed]))


def test_multus_stands_before_the_primary_network() -> None:
    primary = {"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "bridge"}]}
    assert multus_configuration(primary)["delegates"] == [primary]
    assert [each["kind"] for each in networks()].count("NetworkAttachmentDefinition") == 2
