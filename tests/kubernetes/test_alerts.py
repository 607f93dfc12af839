"""The alerts of deploy/prometheus, by Prometheus' own checker."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from secnet_testing.documents import ROOT
from secnet_testing.kubernetes.debian_programs import promtool

RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"

CASES = """
rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
  - name: an uplink that is down, and no other
    interval: 1m
    input_series:
      - {series: 'secnet_build_info{instance="n1"}', values: '1x10'}
      - {series: 'secnet_node_component_up{instance="n1", kind="uplink", name="eth1"}', values: '1x3 0x6'}
      - {series: 'secnet_node_component_up{instance="n1", kind="uplink", name="eth2"}', values: '1x10'}
    alert_rule_test:
      - {eval_time: 5m, alertname: SecnetNodeComponentDown}
      - eval_time: 7m
        alertname: SecnetNodeComponentDown
        exp_alerts:
          - exp_labels: {severity: critical, instance: n1, kind: uplink, name: eth1}
            exp_annotations:
              summary: uplink eth1 is down at n1
              description: What stands on it has no traffic. `secnet status` on the node names the reason.
      - {eval_time: 9m, alertname: SecnetAgentsAbsent}
  - name: no agent at all
    interval: 1m
    input_series:
      - {series: 'up{job="other"}', values: '1x10'}
    alert_rule_test:
      - eval_time: 6m
        alertname: SecnetAgentsAbsent
        exp_alerts:
          - exp_labels: {severity: critical}
            exp_annotations:
              summary: No secnet agent answers Prometheus
              description: New Pods with secondary networks wait or start without them; nothing is repaired.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the rules as a file of Prometheus."""
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    (tmp_path / "cases.yaml").write_text(CASES, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("argv", [("check", "rules", "rules.yaml"), ("test", "rules", "cases.yaml")])
def test_the_rules_pass_promtool(folder: Path, argv: tuple[str, ...]) -> None:
    done = subprocess.run([promtool(), *argv], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
