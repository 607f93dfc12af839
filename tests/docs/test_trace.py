"""The Pod of docs/a-pod-traced.md, run again: the same manifests still give the same request, plan, lease, result and status."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from secnet.agent.model.selection import Selection
from secnet.agent.networks.annotation import parse_networks
from secnet.contract import Attachment, AttachRequest, AttachResult, from_json, to_json
from secnet.linux.names import host_ifname
from secnet_testing.node import Node

PAGE = "docs/a-pod-traced.md"
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


@pytest.fixture(scope="module")
def trace(page: Any) -> dict[str, Any]:
    """The JSON blocks of the trace by the name in the comment above each."""
    found = re.findall(r"<!-- trace: ([\w-]+) -->\n```json\n(.*?)```", page(PAGE).text, re.DOTALL)
    return {name: json.loads(text) for name, text in found}


def test_the_trace_is_of_the_shapes_that_the_code_has(trace: dict[str, Any]) -> None:
    """Nothing in it is unknown to the code, and nothing that the code would write is left out."""
    request = from_json(AttachRequest, trace["AttachRequest"])
    assert to_json(request) == trace["AttachRequest"]
    plan = {"request": trace["AttachRequest"], **trace["plan"]}
    assert to_json(from_json(Attachment, plan)) == plan
    bound = plan | trace["bound"]
    assert to_json(from_json(Attachment, bound)) == bound
    assert to_json(from_json(AttachResult, trace["AttachResult"])) == trace["AttachResult"]


def test_the_trace_hangs_together(trace: dict[str, Any]) -> None:
    request = from_json(AttachRequest, trace["AttachRequest"])
    attachment = from_json(Attachment, {"request": trace["AttachRequest"], **trace["plan"], **trace["bound"]})
    result = from_json(AttachResult, trace["AttachResult"])
    (selection,) = parse_networks(json.dumps(trace["annotation"]), "default")
    assert isinstance(selection, Selection)
    assert (selection.network, selection.mac) == (request.network, request.mac)
    assert attachment.names["host"] == host_ifname(request.key) == result.host_interfaces[0].name
    assert attachment.lease is not None
    assert attachment.vlan in attachment.lease.vlans
    (entry,) = [entry for entry in trace["network-status"] if entry["default"] is False]
    assert entry["name"] == str(request.network)
    assert entry["ips"] == [address.address.split("/")[0] for address in attachment.lease.addresses]
    assert (entry["interface"], entry["mac"], entry["mtu"]) == (request.ifname, result.mac, result.mtu)
    assert [entry["default"] for entry in trace["network-status"]].count(True) == 1


@pytest.mark.ovs
def test_the_traced_pod_is_attached_the_same_way_today(trace: dict[str, Any], node: Node, tmp_path: Path) -> None:
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
