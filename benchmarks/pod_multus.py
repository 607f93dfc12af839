"""Multus with ovs-cni and whereabouts as a rival: three programs that the user gives, and the configuration they need.

The programs get the administrator's kubeconfig. VLAN networks on an Open vSwitch bridge, one IPv4 address each.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secnet_testing.kubernetes.cluster import LocalCluster, Object
from secnet_testing.kubernetes.node import ClusterNode

from .pod_rivals import Rival

__all__ = ["Multus", "Programs", "multus_configuration", "networks"]

_BRIDGE = "br-bench"
_FOLDER = "/etc/cni/net.d"
_KUBECONFIG = f"{_FOLDER}/multus.d/multus.kubeconfig"
_CONFIGURATION = f"{_FOLDER}/00-multus.conf"
_PRIMARY = f"{_FOLDER}/10-bridge.conflist"
_NETWORKS: dict[str, str | None] = {"none": None, "one": "ovs-blue", "two": "ovs-blue,ovs-green"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where they are on this machine: the thin Multus plugin, and the plugins that it calls."""

    multus: Path
    ovs_cni: Path
    whereabouts: Path


def multus_configuration(primary: Object) -> Object:
    """Multus in front of the node's primary network, whose conflist this is."""
    return {
        "cniVersion": "0.3.1",
        "name": "multus-cni-network",
        "type": "multus",
        "kubeconfig": _KUBECONFIG,
        "delegates": [primary],
    }


def networks() -> list[Object]:
    """Two networks like those of secnet, with the definitions that whereabouts needs."""
    return [
        _definition("IPPool", "ippools"),
        _definition("OverlappingRangeIPReservation", "overlappingrangeipreservations"),
        _nad("ovs-blue", 274),
        _nad("ovs-green", 275),
    ]


def _nad(name: str, vlan: int) -> Object:
    ipam = {
        "type": "whereabouts",
        "range": f"10.{vlan - 200}.0.0/23",
        "kubernetes": {"kubeconfig": _KUBECONFIG},
        "log_level": "error",
    }
    config = {"cniVersion": "0.3.1", "name": name, "type": "ovs", "bridge": _BRIDGE, "vlan": vlan, "ipam": ipam}
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name},
        "spec": {"config": json.dumps(config)},
    }


def _definition(kind: str, plural: str) -> Object:
    group = "whereabouts.cni.cncf.io"
    schema: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [version],
        },
    }


class Multus(Rival):
    """namespace: where its networks go."""

    name = "Multus + ovs-cni + whereabouts"

    def __init__(self, cluster: LocalCluster, namespace: str, programs: Programs) -> None:
        self._cluster, self._namespace, self._programs = cluster, namespace, programs

    def networks(self, kind: str) -> str | None:
        return _NETWORKS[kind]

    def enter(self) -> None:
        self._cluster.apply(*networks(), namespace=self._namespace)
        for node in self._cluster.nodes.values():
            self._install(node)

    def leave(self) -> None:
        for node in self._cluster.nodes.values():
            node.run("rm", "-f", _CONFIGURATION)

    def _install(self, node: ClusterNode) -> None:
        node.run("ovs-vsctl", "--may-exist", "add-br", _BRIDGE, "--", "set", "bridge", _BRIDGE, "datapath_type=netdev")
        given = {"multus": self._programs.multus, "ovs": self._programs.ovs_cni}
        for name, program in (given | {"whereabouts": self._programs.whereabouts}).items():
            target = node.root / "opt/cni/bin" / name
            shutil.copy(program, target)
            target.chmod(0o755)
        node.run("mkdir", "-p", str(Path(_KUBECONFIG).parent))
        node.write(_KUBECONFIG, self._cluster.plane.kubeconfig.read_text(encoding="utf-8"))
        primary = json.loads(node.read(_PRIMARY))
        node.write(_CONFIGURATION, json.dumps(multus_configuration(primary)))
