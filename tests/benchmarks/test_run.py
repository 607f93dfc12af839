"""The benchmark completes and says what it promises. How fast anything is, no test asks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from secnet_conformance.needs import requires_command, requires_root

ROOT = Path(__file__).parents[2]
SUMMARY = {"n", "p50_ms", "p90_ms", "p99_ms", "mean_ms", "min_ms", "max_ms"}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "benchmarks.run", *words]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)


def left_behind(world: dict[str, str]) -> list[Path]:
    namespaces = list(Path("/run/netns").glob(f"{world['prefix']}-*"))
    return namespaces + [path for path in [Path(world["directory"])] if path.exists()]


def require_times(summary: dict[str, Any], count: int) -> None:
    assert set(summary) == SUMMARY
    assert summary["n"] == count
    assert 0 < summary["min_ms"] <= summary["p50_ms"] <= summary["p90_ms"] <= summary["p99_ms"] <= summary["max_ms"]


def require_rival(part: dict[str, Any], name: str, data: dict[str, Any]) -> bool:
    """A peer is either measured or named among what was not."""
    assert (name in part) != any(word in " ".join(data["not_measured"]) for word in RIVALS[name])
    return name in part


RIVALS = {"cni": ("containernetworking-plugins",), "os_vif": ("os-vif",)}


@pytest.mark.ovs
@pytest.mark.kernel
def test_a_quick_run_completes_and_its_json_has_its_shape(tmp_path: Path) -> None:
    requires_root()
    requires_command("ovs-vswitchd", "ovsdb-server", "ovs-vsctl", "ip")
    output = tmp_path / "numbers" / "bench.json"
    done = run("--quick", "--json", str(output))
    assert done.returncode == 0, done.stderr
    data = json.loads(output.read_text(encoding="utf-8"))

    single, plan = data["one_by_one"], data["plan"]
    for who in ("ours", "cni") if require_rival(single, "cni", data) else ("ours",):
        for name in ("attach", "detach", "both"):
            require_times(single[who][name], plan["rounds"])
        # What stood in the Pod is what everybody was asked for.
        assert single["work"][who]["addresses"] == ["inet/16", "inet6/64"]
        assert len(single["work"][who]["routes"]) == 2
        assert single["work"][who]["up"]
        assert single["work"][who]["mtu"] == 1500
        assert single["work"][who]["tentative"] == []
        for name in ("attach", "detach"):
            assert data["burst"][who][name]["per_second"] > 0

    if "cni" in single:
        assert 0 <= single["cni"]["waiting_rounds"] < plan["rounds"]
        assert single["cni"]["both_without_waiting"]["n"] + single["cni"]["waiting_rounds"] == plan["rounds"]

    ovs = data["ovs_part"]
    for who in ("ours", "os_vif") if require_rival(ovs, "os_vif", data) else ("ours",):
        for name in ("plug", "unplug", "both"):
            require_times(ovs[who][name], plan["ovs_rounds"])

    assert {"veth.create", "port.add", "ippool.allocate", "journal.plan", "layer3.apply"} <= set(
        data["parts"]["attach"]
    )
    assert {"veth.delete", "port.delete", "ippool.release", "journal.remove"} <= set(data["parts"]["detach"])
    assert data["agent"]["attachments"] == plan["pods"]
    assert data["agent"]["idle_rss_mb"] > 0
    assert data["import"]["import_p50_ms"] > 0
    assert len(data["goals"]) == 3
    for goal in data["goals"]:
        assert goal["reached"] in (True, False, None)
        assert (goal["value"] is None) == (goal["reached"] is None)
        assert goal["what"] in done.stdout
    assert {"command", "cores", "kernel", "versions"} <= set(data["machine"])
    assert left_behind(data["world"]) == []


def test_help_names_the_knobs() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "--quick" in done.stdout
    assert "--json" in done.stdout
