"""A Kubernetes of two nodes on this machine, and the same view of one that KUBECONFIG names."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from ..runtime.daemon import remove_folder
from ..runtime.images import sandbox_archive
from .api import ApiAdmin
from .control_plane import ControlPlane
from .kubectl import Kubectl, Object
from .leftovers import claimed_folder, remove_leftovers
from .node import ClusterNode

__all__ = ["AGENT", "Cluster", "ExternalCluster", "LocalCluster", "Object"]


AGENT = "secnet-agent"
"""How the agents call themselves in their requests. What a test asks with a token of theirs has another name."""


class Cluster:
    """What a test does with any cluster.

    kubectl: runs it. admin: the same API without a process for each request. nodes: those that a test can reach into, by
    name; none of a cluster that KUBECONFIG names. apart: namespaces whose Pods are left out where all records are compared.
    """

    def __init__(self, kubectl: Kubectl, admin: ApiAdmin) -> None:
        self.kubectl = kubectl
        self.admin = admin
        self.nodes: dict[str, ClusterNode] = {}
        self.apart: set[str] = set()
        self.apply, self.get, self.list, self.wait = kubectl.apply, kubectl.get, kubectl.list, kubectl.wait

    @property
    def node_names(self) -> list[str]:
        """All nodes that run Pods."""
        return [node["metadata"]["name"] for node in self.kubectl.list("nodes")]

    def ready(self, node: str) -> bool:
        """Whether Kubernetes says that a node is Ready."""
        found = self.get("node", node)
        conditions = found["status"].get("conditions", []) if found else []
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


class ExternalCluster(Cluster):
    """The cluster of a kubeconfig, with the kubectl of this checkout. folder: for that program."""

    def __init__(self, folder: Path, kube: Path, kubeconfig: Path) -> None:
        super().__init__(Kubectl(folder / "bin/kubectl", kube, kubeconfig), ApiAdmin(kubeconfig))


class LocalCluster(Cluster):
    """Made stopped. images: archives that every node's runtime has.

    folder: holds everything, and is removed with it. It goes with the next cluster, should this process be killed.
    """

    def __init__(self, kube: Path, images: Sequence[Path] = (), *, nodes: int = 2) -> None:
        remove_leftovers()
        name = f"sn{secrets.token_hex(2)}"
        self.folder, self._lock = claimed_folder(name)
        folder = self.folder
        self.plane = ControlPlane(folder, kube, f"{name}-cp")
        program = folder / "bin/kubectl"
        super().__init__(Kubectl(program, kube, self.plane.kubeconfig, self.plane.namespace), self.plane.admin)
        basic = folder / "sandbox.tar"
        basic.write_bytes(sandbox_archive())
        self._kube, self._images = kube, [basic, *images]
        self._made = 0
        for _ in range(nodes):
            self._make_node()

    def start(self) -> None:
        """Start everything, and wait until the nodes are Ready."""
        self.plane.start()
        for node in self.nodes.values():
            node.start()
        for node in self.nodes.values():
            self._wait_for(node)

    def add_node(self) -> ClusterNode:
        """Another node, when it is Ready."""
        node = self._make_node()
        node.start()
        self._wait_for(node)
        return node

    def _make_node(self) -> ClusterNode:
        self._made += 1
        node = self.nodes[f"n{self._made}"] = ClusterNode(self.plane, self._kube, self._made, self._images)
        return node

    def _wait_for(self, node: ClusterNode) -> None:
        self.wait(partial(self.ready, node.name), f"{node.name} is Ready; see {node.folder / 'log'}", 120)

    def retag(self, old: str, new: str) -> None:
        """Give an image that the runtimes of all nodes have another name as well: `secnet:0.1.1`."""
        for node in self.nodes.values():
            names = [f"docker.io/library/{name}" for name in (old, new)]
            node.run("ctr", "-n", "k8s.io", "images", "tag", "--force", *names)

    def audit(self) -> list[Object]:
        """What the agents asked the API for, in its audit log: a dict for each request."""
        lines = self.plane.audit_log.read_text("utf-8").splitlines() if self.plane.audit_log.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def refused(self, since: datetime | None = None) -> list[tuple[str, str, str]]:
        """What the agents were refused, with the API server ready: verb, path and message of each request."""
        found = []
        for each in self.audit():
            moment = datetime.fromisoformat(each["requestReceivedTimestamp"])
            answer = each.get("responseStatus", {})
            if (
                each.get("userAgent") == AGENT
                and answer.get("code") in (401, 403)
                and not self.plane.was_starting(moment)
                and (since is None or moment >= since)
            ):
                found.append((each["verb"], each["requestURI"].split("?")[0], answer.get("message", "")))
        return found

    def keep_logs(self, target: Path) -> None:
        """Copy the logs of everything, for a person who looks for the reason of a failure."""
        for source in (self.plane.logs, *(node.folder / "log" for node in self.nodes.values())):
            shutil.copytree(source, target / source.parent.name, dirs_exist_ok=True)
        for node in self.nodes.values():
            pods = node.folder / "disk/log/pods"
            shutil.copytree(pods, target / node.name / "pods", dirs_exist_ok=True, ignore_dangling_symlinks=True)

    def close(self) -> None:
        """Take everything away."""
        for node in self.nodes.values():
            node.close()
        self.plane.close()
        remove_folder(self.folder)
        self._lock.close()
