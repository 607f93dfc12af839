"""Manifests of Pods and networks for tests on a whole cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..runtime.images import BUSYBOX_IMAGE
from .balance import NETWORKS
from .cluster import Object

__all__ = ["SLEEP", "container", "nad", "pod", "pool", "workload"]

# Ends at once on SIGTERM: a shell that waits for a child answers only afterwards.
SLEEP = "trap 'exit 0' TERM; sleep 100000 & wait"


def container(script: str = SLEEP, **changes: Any) -> Object:
    """A container that runs a shell script."""
    return {"name": "c", "image": BUSYBOX_IMAGE, "command": ["sh", "-c", script], **changes}


def pod(name: str, networks: str | None = None, *, node: str | None = None, **spec: Any) -> Object:
    """A Pod with the annotation `networks`. node: where it runs, by the scheduler unless named."""
    annotations = {} if networks is None else {NETWORKS: networks}
    chosen: Object = {} if node is None else {"nodeSelector": {"kubernetes.io/hostname": node}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"terminationGracePeriodSeconds": 5, "containers": [container()], **chosen, **spec},
    }


def workload(kind: str, name: str, networks: str, *, script: str = SLEEP, **spec: Any) -> Object:
    """A Deployment, StatefulSet, DaemonSet or Job whose Pods ask for networks."""
    labels = {"app": name}
    restart = {"restartPolicy": "Never"} if kind == "Job" else {}
    template = {
        "metadata": {"labels": labels, "annotations": {NETWORKS: networks}},
        "spec": {"terminationGracePeriodSeconds": 5, "containers": [container(script)], **restart},
    }
    selector = {} if kind == "Job" else {"selector": {"matchLabels": labels}}
    return {
        "apiVersion": "batch/v1" if kind == "Job" else "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {**selector, "template": template, **spec},
    }


def nad(name: str, vlan: int | None, *pools: str, **config: Any) -> Object:
    """A VLAN network with addresses of these pools."""
    content: Object = {"cniVersion": "0.3.0", "type": "antrea", "networkType": "vlan", **config}
    content |= {} if vlan is None else {"vlan": vlan}
    content |= {"ipam": {"type": "antrea", "ippools": list(pools)}} if pools else {}
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name},
        "spec": {"config": json.dumps(content)},
    }


def pool(name: str, start: str, end: str, gateway: str, prefix: int, **subnet: Any) -> Object:
    """An IPPool with one range."""
    info: Mapping[str, Any] = {"gateway": gateway, "prefixLength": prefix, **subnet}
    return {
        "apiVersion": "crd.antrea.io/v1beta1",
        "kind": "IPPool",
        "metadata": {"name": name},
        "spec": {"ipRanges": [{"start": start, "end": end}], "subnetInfo": dict(info)},
    }
