"""The Pod traced in README.md, run again: the same manifests still give the same request, plan, lease, result and status."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from secnet.contract import to_json
from secnet_testing.node import Node

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo" / "manifests"

# What differs from run to run.
VOLATILE = {"container_id", "path", "device", "inode", "cookie", "uid", "host", "port", "node", "host_interfaces"}


def masked(value: Any, key: str = "") -> Any:
    """The value with everything volatile replaced by its type."""
    if key in VOLATILE:
        return type(value).__name__
    if isinstance(value, dict):
        return {name: masked(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return value


@pytest.mark.ovs
def test_the_traced_pod_is_attached_the_same_way_today(readme: Any, node: Node, tmp_path: Path) -> None:
    found = re.findall(r"<!-- trace: ([\w-]+) -->\n```json\n(.*?)```", readme.text, re.DOTALL)
    trace = {name: json.loads(text) for name, text in found}
    manifests = tmp_path / "traced"
    manifests.mkdir()
    for name in ("networks.yaml", "pools.yaml"):
        shutil.copy(DEMO / name, manifests / name)
    (pod,) = [obj for obj in yaml.safe_load_all((DEMO / "pods.yaml").read_text()) if obj["metadata"]["name"] == "blue"]
    annotations = pod["metadata"]["annotations"]
    assert json.loads(annotations["k8s.v1.cni.cncf.io/networks"]) == trace["annotation"]
    annotations["secnet.io/netns"] = node.pod("blue").path
    (manifests / "pod.yaml").write_text(yaml.safe_dump(pod))

    done = node.cli("apply", manifests)

    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = node.records()
    attachment = to_json(record.attachment)
    request, lease, vlan = (attachment.pop(key) for key in ("request", "lease", "vlan"))
    assert masked(request) == masked(trace["AttachRequest"])
    assert masked(attachment) == masked(trace["plan"])
    assert masked({"lease": lease, "vlan": vlan}) == masked(trace["bound"])
    assert masked(to_json(record.result)) == masked(trace["AttachResult"])
    assert node.network_status("blue") == trace["network-status"]
