"""Whatever stands where in a manifest: it is checked, or a finding of its document, and never a fault of secnet itself."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from secnet.agent.plugins.registry import Registry
from secnet.agent.validate.offline import Document, check_documents
from secnet_testing.sample_plugins import sample_entry_points

REGISTRY = Registry.load(sample_entry_points)
NETWORKS = "k8s.v1.cni.cncf.io/networks"

# Annotation and config are texts of JSON; they are made so once something was put into them.
DOCUMENTS: list[Any] = [
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web",
            "namespace": "default",
            "generation": 1,
            "uid": "u",
            "labels": {"a": "b"},
            "annotations": {NETWORKS: [{"name": "blue", "ips": ["10.0.0.2/24"], "mac": "02:00:00:00:00:01"}, {}]},
        },
        "spec": {"nodeName": "n", "containers": [{"name": "c", "resources": {"limits": {"x.com/y": "1"}}}]},
        "status": {"phase": "Running"},
    },
    {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "blue", "generation": 2, "annotations": {"k8s.v1.cni.cncf.io/resourceName": "x.com/y"}},
        "spec": {
            "config": {
                "cniVersion": "1.0.0",
                "plugins": [
                    {"type": "secnet", "networkType": "vlan", "vlan": 5, "mtu": 1500, "ipam": {"type": "pools"}}
                ],
            }
        },
    },
    {
        "apiVersion": "apps/v1",
        "kind": "Job",
        "spec": {"template": {"metadata": {"annotations": {NETWORKS: "blue,a@b"}}}},
    },
    {
        "nodeName": "n",
        "ovsBridges": [{"bridgeName": "br", "physicalInterfaces": ["eth1"]}],
        "limits": {"networksPerPod": 5},
        "nodeGroups": {"g": {"selector": {"matchLabels": {"a": "b"}}}},
    },
]
ODD: list[Any] = [
    None,
    True,
    -1,
    2**63,
    1.5,
    "",
    "x",
    "\0",
    "\n",
    "a" * 300,
    "\ud800",
    "²",
    "{",
    [],
    {},
    [[None]],
    {"": {}},
]


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield from _places(item, (*path, key))


def _with(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = odd
    return value


def _as_text(value: Any, *path: str) -> None:
    for key in path[:-1]:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, dict) and path[-1] in value and not isinstance(value[path[-1]], str):
        value[path[-1]] = json.dumps(value[path[-1]])


def _faults(documents: list[Any]) -> list[str]:
    found = check_documents(
        [Document(file="f", line=number, data=each) for number, each in enumerate(documents, 1)], REGISTRY
    )
    return [str(finding) for finding in found if "fault in secnet" in finding.hint]


@pytest.mark.parametrize("number", range(len(DOCUMENTS)))
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_an_odd_value_anywhere_is_a_finding_at_most(number: int, odd: Any) -> None:
    for path in _places(DOCUMENTS[number]):
        documents = copy.deepcopy(DOCUMENTS)
        documents[number] = _with(documents[number], path, copy.deepcopy(odd))
        _as_text(documents[0], "metadata", "annotations", NETWORKS)
        _as_text(documents[1], "spec", "config")
        assert _faults(documents) == [], path
