"""Where the objects of a world are, and how its Pods come to have a sandbox: manifests on the node, or a Kubernetes API."""

from __future__ import annotations

import fcntl
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
from secnet.agent.cluster.files.store import FileStore
from secnet.contract import ObjectNotFound

from ..cluster_node import AGENT_TOKEN, NETWORKS, ClusterNode
from ..cluster_node import pod as api_pod
from ..kubeapi.admin import Rejected
from ..kubeapi.process import KubeApiProcess
from ..node import Node
from ..objects import pod as manifest_pod

__all__ = ["ApiSource", "ManifestSource", "Source", "Wanted"]

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A Pod that is desired. machine: the index of its node. netns: of its namespace among manifests, used once."""

    namespace: str
    name: str
    machine: int
    netns: str
    networks: tuple[Object, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return (self.namespace, self.name)


class Source(ABC):
    """What the agents read, and how a test changes it."""

    @abstractmethod
    def put(self, obj: Object) -> None:
        """Create an object that is no Pod, or bring it up to date."""

    @abstractmethod
    def remove(self, kind: str, name: str, namespace: str) -> None:
        """Delete an object that is no Pod; nothing if there is none."""

    @abstractmethod
    def pools(self) -> list[Object]:
        """The live IPPools."""

    @abstractmethod
    def put_pod(self, wanted: Wanted) -> None:
        """Create the Pod, or bring its annotation up to date."""

    @abstractmethod
    def delete_pod(self, wanted: Wanted, *, sandbox_first: bool) -> None:
        """Delete the Pod at once; its sandbox ends before or after that."""

    @abstractmethod
    def replace_sandbox(self, wanted: Wanted, *, end_first: bool, netns: str) -> Wanted:
        """Its sandbox ends and it gets another one. netns: an unused name. Returns what is desired then."""

    @abstractmethod
    def netns(self, wanted: Wanted) -> str:
        """The path of its network namespace. AssertionError while it has none."""

    @abstractmethod
    def fault(self, rng: random.Random) -> str:
        """Something goes wrong with the source, until `end_faults`; what."""

    @abstractmethod
    def end_faults(self) -> None:
        """End every fault."""


class ManifestSource(Source):
    """A store of manifests that all nodes share. A Pod's sandbox is a namespace that the test makes."""

    def __init__(self, nodes: Sequence[Node], state_dir: Path) -> None:
        self._nodes = nodes
        self._store = FileStore(state_dir)
        self._lock = state_dir / "lock"

    def put(self, obj: Object) -> None:
        """See Source."""
        self._store.apply(obj)

    def remove(self, kind: str, name: str, namespace: str) -> None:
        """See Source."""
        with suppress(ObjectNotFound):
            self._store.delete(kind, name, namespace)

    def pools(self) -> list[Object]:
        """See Source."""
        return self._store.list("IPPool")

    def put_pod(self, wanted: Wanted) -> None:
        """See Source."""
        path = self._nodes[wanted.machine].pod(wanted.netns).path
        manifest = manifest_pod(wanted.name, path, list(wanted.networks), namespace=wanted.namespace)
        self._store.apply({**manifest, "spec": {"nodeName": f"node-{wanted.machine + 1}"}})

    def delete_pod(self, wanted: Wanted, *, sandbox_first: bool) -> None:
        """See Source."""
        if sandbox_first:
            self._end(wanted)
        self.remove("Pod", wanted.name, wanted.namespace)
        if not sandbox_first:
            self._end(wanted)

    def replace_sandbox(self, wanted: Wanted, *, end_first: bool, netns: str) -> Wanted:
        """See Source."""
        new = replace(wanted, netns=netns)
        if end_first:
            self._end(wanted)
        self.put_pod(new)
        if not end_first:
            self._end(wanted)
        return new

    def netns(self, wanted: Wanted) -> str:
        """See Source."""
        return self._nodes[wanted.machine].pod(wanted.netns).path

    def fault(self, rng: random.Random) -> str:
        """See Source. A process that holds the store's lock for a while, as a large `secnet apply` does."""
        seconds = rng.uniform(0.1, 1.0)
        with self._lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            time.sleep(seconds)
        return f"the store was locked for {seconds:.1f} s"

    def end_faults(self) -> None:
        """See Source."""

    def _end(self, wanted: Wanted) -> None:
        node = self._nodes[wanted.machine]
        if wanted.netns in node.pods:
            node.delete_pod_namespace(wanted.netns)


class ApiSource(Source):
    """The API double, with a containerd and a kubelet double on each node.

    The doubles: no real API server drops, delays or refuses single requests on demand. `make test-cluster` has the real one.
    """

    def __init__(self, nodes: Sequence[ClusterNode], api: KubeApiProcess) -> None:
        self._nodes = nodes
        self._api = api

    def put(self, obj: Object) -> None:
        """See Source."""
        try:
            self._api.create(obj)
        except Rejected:
            self._api.patch(obj, {"spec": obj["spec"]})

    def remove(self, kind: str, name: str, namespace: str) -> None:
        """See Source."""
        versions = {"NetworkAttachmentDefinition": "k8s.cni.cncf.io/v1", "IPPool": "crd.antrea.io/v1beta1"}
        meta = {"name": name, **({"namespace": namespace} if namespace else {})}
        self._api.remove({"apiVersion": versions[kind], "kind": kind, "metadata": meta})

    def pools(self) -> list[Object]:
        """See Source."""
        return self._api.items("/apis/crd.antrea.io/v1beta1/ippools")

    def put_pod(self, wanted: Wanted) -> None:
        """See Source."""
        manifest = api_pod(wanted.name, list(wanted.networks), node=self._nodes[wanted.machine].name)
        manifest["metadata"]["namespace"] = wanted.namespace
        try:
            self._api.create(manifest)
        except Rejected:
            annotation = manifest["metadata"]["annotations"][NETWORKS]
            self._api.patch(manifest, {"metadata": {"annotations": {NETWORKS: annotation}}})

    def delete_pod(self, wanted: Wanted, *, sandbox_first: bool) -> None:
        """See Source. As by force: the kubelet ends the sandbox when it sees that the Pod is gone."""
        if sandbox_first:
            self._end(wanted)
        self._api.remove(_pod_key(wanted))

    def replace_sandbox(self, wanted: Wanted, *, end_first: bool, netns: str) -> Wanted:
        """See Source. The kubelet makes another one."""
        self._end(wanted)
        return wanted

    def netns(self, wanted: Wanted) -> str:
        """See Source."""
        path = self._nodes[wanted.machine].runtime.state(self._sandbox(wanted)).netns
        assert path, f"Pod {wanted.name} has no namespace"
        return path

    def fault(self, rng: random.Random) -> str:
        """See Source."""
        kind = rng.choice(("status", "hang", "drop", "cut", "compact", "outage"))
        if kind == "cut":
            return f"{self._api.cut_watches()} watches cut"
        if kind == "compact":
            self._api.compact()
            self._api.cut_watches()
            return "older resourceVersions are gone, and all watches cut"
        if kind == "outage":
            self._api.outage(True)
            time.sleep(rng.uniform(0.5, 5.0))
            self._api.outage(False)
            return "the API was away"
        count, status = rng.randint(1, 20), rng.choice((409, 429, 500, 503))
        self._api.fail(kind=kind, count=count, status=status, token=AGENT_TOKEN)
        return f"{count} requests to the API meet {status if kind == 'status' else kind}"

    def end_faults(self) -> None:
        """See Source."""
        self._api.no_faults()

    def _end(self, wanted: Wanted) -> None:
        node = self._nodes[wanted.machine]
        with suppress(grpc.RpcError, AssertionError):  # it may have ended by itself
            node.runtime.kill_pause(self._sandbox(wanted))

    def _sandbox(self, wanted: Wanted) -> str:
        found = self._nodes[wanted.machine].kubelet.sandbox(wanted.namespace, wanted.name)
        assert found, f"Pod {wanted.name} has no sandbox"
        return found


def _pod_key(wanted: Wanted) -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": wanted.name, "namespace": wanted.namespace}}
