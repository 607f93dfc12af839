"""secnet as a test cluster gets it: by a kustomization that a platform engineer would write."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ..documents import ROOT, read_document
from .cluster import Cluster, Object

__all__ = [
    "BRIDGE",
    "IMAGE",
    "MARK",
    "MARKED_BRIDGE",
    "NAMESPACE",
    "NODE",
    "Helm",
    "Kustomize",
    "agent_command",
    "agent_pod",
    "deploy",
    "documents",
    "install",
    "kustomization",
    "run_with_kubectl",
    "unchain",
]

NAMESPACE = "secnet-system"
Kustomize = Callable[[Path], list[Object]]
"""Builds the kustomization of a folder."""
Helm = Callable[..., str]
"""Runs helm with arguments; what it printed."""
IMAGE = "secnet:0.1.0"
BRIDGE = "br-secondary"
_AGENTS = "app.kubernetes.io/component=agent"
_BRIDGE = {"bridgeName": BRIDGE, "physicalInterfaces": ["eth1"]}
MARK, MARKED_BRIDGE = "secnet.test/marked", "br-marked"
"""A label, and the bridge that nodes with it have besides."""
NODE: dict[str, Any] = {
    "secondaryNetwork": {"ovsBridges": [_BRIDGE]},
    "nodeGroups": {
        "marked": {
            "selector": {"matchLabels": {MARK: "yes"}},
            "secondaryNetwork": {"ovsBridges": [_BRIDGE, {"bridgeName": MARKED_BRIDGE}]},
        }
    },
}
"""The node configuration: what differs from what the base and the components bring. The datapath needs no kernel module."""


# Tokens of ten minutes, the shortest there are: the kubelet replaces one after eight, and not after 48 as usual.
_TOKEN: dict[str, Any] = {
    "name": "short-token",
    "projected": {
        "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        ]
    },
}
_TOKEN_MOUNT = {"name": "short-token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}
_SHORT_TOKENS = [
    {"op": "add", "path": "/spec/template/spec/automountServiceAccountToken", "value": False},
    {"op": "add", "path": "/spec/template/spec/volumes/-", "value": _TOKEN},
    {"op": "add", "path": "/spec/template/spec/containers/0/volumeMounts/-", "value": _TOKEN_MOUNT},
]


def kustomization(folder: Path, *components: str, node: dict[str, Any] | None = None, tag: str = "0.1.0") -> Path:
    """Write a kustomization with the base, components and a node configuration into a new folder; the folder."""
    folder.mkdir(parents=True)
    configuration = {"datapathType": "netdev", **(NODE if node is None else node)}
    (folder / "node.yaml").write_text(yaml.safe_dump(configuration))
    deploy = os.path.relpath(ROOT / "deploy", folder)
    generator = {"name": "secnet-node", "namespace": NAMESPACE, "behavior": "replace", "files": ["node.yaml"]}
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{deploy}/base"],
        "components": [f"{deploy}/components/{name}" for name in components],
        "configMapGenerator": [generator],
        "images": [{"name": "secnet", "newTag": tag}],
        "patches": [{"target": {"kind": "DaemonSet"}, "patch": yaml.safe_dump(_SHORT_TOKENS)}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return folder


def deploy(cluster: Cluster, folder: Path, seconds: float = 120) -> None:
    """Apply a kustomization, and wait until the agent of every node is ready."""
    cluster.kubectl("apply", "-k", str(folder))
    cluster.kubectl(
        *("-n", NAMESPACE, "rollout", "status", "daemonset/secnet-agent", f"--timeout={seconds}s"), timeout=seconds + 10
    )


def install(cluster: Cluster, folder: Path) -> None:
    """What docs/deployment.md has: definitions first, then a kustomization with the component sync."""
    run_with_kubectl(cluster, str(ROOT / "deploy/apply-crds"))
    deploy(cluster, kustomization(folder, "sync", "policies"))


def run_with_kubectl(cluster: Cluster, command: str, timeout: float = 120, folder: Path = ROOT) -> str:
    """Run a shell command as a user types it, in the checkout or in `folder`; what it printed. AssertionError if it fails."""
    path = f"{cluster.kubectl.program.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", command],
        env={**os.environ, "PATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


def unchain(cluster: Cluster) -> None:
    """The documents' commands before the component sync goes."""
    blocks = read_document(ROOT / "docs/deployment.md").blocks
    commands = [block.text for block in blocks if "secnet cni-uninstall" in block.text]
    assert len(commands) == 1
    run_with_kubectl(cluster, commands[0])
    left = cluster.list("pods", NAMESPACE, labels=_AGENTS)
    assert not left, f"an agent could not remove its entry: {[each['metadata']['name'] for each in left]}"


def documents(argv: list[str]) -> list[Object]:
    """The YAML documents that a program prints. AssertionError with its messages if it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr or done.stdout}"
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def agent_pod(cluster: Cluster, node: str) -> Object:
    """The agent's Pod on a node. AssertionError if there is none."""
    for found in cluster.list("pods", NAMESPACE, labels=_AGENTS):
        if found["spec"].get("nodeName") == node and "deletionTimestamp" not in found["metadata"]:
            return found
    raise AssertionError(f"no agent on {node}")


def agent_command(cluster: Cluster, node: str, *arguments: str) -> str:
    """Run `secnet` in the agent's Pod on a node, as docs/quickstart.md does; what it printed."""
    name = agent_pod(cluster, node)["metadata"]["name"]
    return cluster.kubectl("-n", NAMESPACE, "exec", name, "--", "secnet", *arguments)
