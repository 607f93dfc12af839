"""The node configuration and the cluster's objects of the benchmark, as a user would write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from .task import GATEWAY_4, GATEWAY_6, MTU, ROUTE_4, ROUTE_6, VLAN
from .world import IFNAME, Pod, World

__all__ = ["BRIDGE", "NETWORK", "network_objects", "pod_object", "write_configuration"]

BRIDGE = "br-bench"
NETWORK = "bench"


def network_objects() -> list[dict[str, Any]]:
    """One NAD and its two pools."""
    return [
        _pool("bench-4", "10.77.0.0/20", GATEWAY_4, 16),
        _pool("bench-6", "fd00:77::/112", GATEWAY_6, 64),
        {
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": NETWORK, "namespace": "default"},
            "spec": {
                "config": json.dumps(
                    {
                        "cniVersion": "0.3.0",
                        "type": "antrea",
                        "networkType": "vlan",
                        "vlan": VLAN,
                        "mtu": MTU,
                        "ipam": {
                            "type": "antrea",
                            "ippools": ["bench-4", "bench-6"],
                            "routes": [{"dst": ROUTE_4, "gw": GATEWAY_4}, {"dst": ROUTE_6, "gw": GATEWAY_6}],
                        },
                    }
                )
            },
        },
    ]


def pod_object(pod: Pod) -> dict[str, Any]:
    """A Pod that asks for the network."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod.name,
            "namespace": "default",
            "annotations": {"k8s.v1.cni.cncf.io/networks": f"{NETWORK}@{IFNAME}", "secnet.io/netns": pod.path},
        },
    }


def write_configuration(world: World, name: str, manifests: Path | None = None) -> Path:
    """A node configuration with its own run and state directories, named after `name`; returns the file."""
    folder = world.directory / name
    folder.mkdir()
    data: dict[str, Any] = {
        "nodeName": "bench",
        "runDir": str(folder / "run"),
        "stateDir": str(folder / "state"),
        "ovsdb": world.switch.target,
        "datapathType": "netdev",
        "ovsBridges": [{"bridgeName": BRIDGE}],
    }
    if manifests is not None:
        data["manifests"] = str(manifests)
    path = folder / "node.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def _pool(name: str, cidr: str, gateway: str, length: int) -> dict[str, Any]:
    return {
        "apiVersion": "crd.antrea.io/v1beta1",
        "kind": "IPPool",
        "metadata": {"name": name},
        "spec": {
            "ipRanges": [{"cidr": cidr}],
            "subnetInfo": {"gateway": gateway, "prefixLength": length, "vlan": VLAN},
        },
    }
