"""An agent of Antrea as the API shows it: its DaemonSet, and the configuration that it reads."""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["antrea_agent"]


def antrea_agent(*, secondary_network: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The ConfigMap and the DaemonSet, with the names and the form of Antrea's own manifests."""
    conf = yaml.safe_dump({"featureGates": {"SecondaryNetwork": secondary_network}, "trafficEncapMode": "encap"})
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "antrea-config", "namespace": "kube-system"},
        "data": {"antrea-agent.conf": conf},
    }
    volumes = [
        {"name": "host-var-run-antrea", "hostPath": {"path": "/var/run/antrea"}},
        {"name": "antrea-config", "configMap": {"name": "antrea-config"}},
    ]
    daemonset = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "antrea-agent", "namespace": "kube-system"},
        "spec": {"template": {"spec": {"volumes": volumes}}},
    }
    return config, daemonset
