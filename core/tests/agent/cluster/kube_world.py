"""API servers for the tests of this folder, and a cluster behind one as the shared rules see it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from secnet.agent.cluster.kube import POLICED_RULES, RULES, KubeCluster, Pace
from secnet_testing.kubeapi.admin import Admin, Rejected
from secnet_testing.kubeapi.process import KubeApiProcess

from .helpers import Recorder, until

NODE = "sn-node"
TOKEN = "agent-token"
BRISK = Pace(backoff=(0.05, 0.2))


def agent(server: KubeApiProcess, folder: Path, **options: Any) -> KubeCluster:
    """A `KubeCluster` that may do what its ClusterRole allows, and nothing more."""
    server.add_token(TOKEN, (*RULES, *POLICED_RULES))
    options = {"node_name": NODE, "pace": BRISK} | options
    return KubeCluster(server.kubeconfig(folder / "kubeconfig", TOKEN), **options)


def on_node(pod: dict[str, Any], node: str = NODE) -> dict[str, Any]:
    """The Pod, scheduled to a node."""
    return pod | {"spec": {**pod.get("spec", {}), "nodeName": node}}


class KubeWorld:
    """See `rules.World`. Removes what it made."""

    def __init__(self, admin: Admin, kubeconfig: Path) -> None:
        self.time = 1_600_000_000.0
        self._admin = admin
        self._made: list[dict[str, Any]] = []
        self.cluster, self.second = (
            KubeCluster(kubeconfig, node_name=NODE, clock=lambda: self.time, pace=BRISK) for _ in range(2)
        )
        with suppress(Rejected):
            admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})

    def create(self, obj: dict[str, Any]) -> dict[str, Any]:
        """See `rules.World.create`."""
        wanted = on_node(obj) if obj["kind"] == "Pod" else obj
        self._made.append(wanted)
        return self._admin.create(wanted)

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        """See `rules.World.delete`."""
        (obj,) = (
            obj
            for obj in self._made
            if (obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", "")) == (kind, name, namespace)
        )
        self._made.remove(obj)
        self._admin.delete(obj)

    def close(self) -> None:
        """End both clients, and remove what is left."""
        self.cluster.close()
        self.second.close()
        for obj in self._made:
            with suppress(Rejected):
                self._admin.delete(obj)


def lists(api: KubeApiProcess, resource: str) -> int:
    return sum(1 for item in api.requests(TOKEN) if (item["verb"], item["resource"]) == ("list", resource))


def watched(cluster: KubeCluster, api: KubeApiProcess, *kinds: str) -> Recorder:
    """Gets everything that exists, and is served."""
    recorder = Recorder()
    assert cluster.watch(kinds, recorder).synced.wait(20)
    until(lambda: api.watches == len(kinds), "the watch")
    return recorder
