"""A node of a cluster for tests: a namespace with Open vSwitch and a containerd of its own, a kubelet, and `secnet agent`.

The API server is a process of the test; it listens inside each node's namespace as well, as a node would reach it. With
`sync=True` the plugin `secnet-cni` stands in the runtime's chain and Pods wait for their networks.
"""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from secnet.agent.state.run_dir import current_boot_id
from secnet_conformance.netns import inside

from .kubeapi.process import KubeApiProcess
from .kubelet import Kubelet
from .netns import Namespace
from .node import BRIDGE, STATUS, Node, play_node
from .podresources import play_pod_resources
from .runtime.runtime import Runtime, play_runtime

__all__ = [
    "AGENT_TOKEN",
    "ClusterNode",
    "ClusterNodeFactory",
    "cluster_node_factory",
    "compiled_plugin",
    "nad",
    "play_cluster_node",
    "pod",
    "pool",
    "set_boot_id",
]

AGENT_TOKEN = "agent-token"
CONDITION = "secnet.io/SecondaryNetworksReady"
NETWORKS = "k8s.v1.cni.cncf.io/networks"
IMAGE = "registry.test/busybox:1"
_DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
_PLUGIN = _DEPLOY / "cni"
_CLUSTER_ROLES = [_DEPLOY / folder / "clusterrole.yaml" for folder in ("base", "components/policies")]


def pod(name: str, networks: str | Sequence[Mapping[str, Any]] | None, *, node: str = "node-1", **spec: Any) -> Any:
    """A Pod of one container that waits. networks: the annotation, as text or as the list of its elements."""
    text = networks if networks is None or isinstance(networks, str) else json.dumps(list(networks))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "default",
            "annotations": {} if text is None else {NETWORKS: text},
        },
        "spec": {
            "nodeName": node,
            "containers": [{"name": "main", "image": IMAGE, "command": ["sleep", "3600"]}],
            **spec,
        },
    }


def nad(name: str, *, namespace: str = "default", **config: Any) -> Any:
    """A NAD; without further keys a VLAN network with addresses of the pool `name`."""
    content = {"cniVersion": "1.0.0", "type": "antrea", "networkType": "vlan", "vlan": 100}
    content |= {"ipam": {"type": "antrea", "ippools": [name]}} | config
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"config": json.dumps({key: value for key, value in content.items() if value is not None})},
    }


def pool(name: str, start: str = "10.10.0.10", end: str = "10.10.0.250", gateway: str = "10.10.0.1") -> Any:
    """An IPPool of one range in a /24."""
    return {
        "apiVersion": "crd.antrea.io/v1beta1",
        "kind": "IPPool",
        "metadata": {"name": name},
        "spec": {
            "ipRanges": [{"start": start, "end": end}],
            "subnetInfo": {"gateway": gateway, "prefixLength": 24},
        },
    }


@dataclass(frozen=True, kw_only=True)
class _PodNamespace(Namespace):
    """A namespace that the runtime made, where it likes to have it."""

    where: str

    @property
    def path(self) -> str:
        return self.where


class ClusterNode:
    """See the module. node: namespace, switch, agents and their files. runtime: containerd. kubelet: running."""

    def __init__(self, name: str, node: Node, runtime: Runtime, kubelet: Kubelet, api: KubeApiProcess) -> None:
        self.name = name
        self.node = node
        self.runtime = runtime
        self.kubelet = kubelet
        self.api = api

    def live(self, name: str) -> Any:
        """The Pod as the API has it."""
        return self.api.get({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}})

    def delete(self, name: str) -> None:
        """Ask for the Pod's end, as `kubectl delete` does."""
        key = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}}
        self.api.delete(key, grace=1)

    def annotate(self, name: str, networks: str | None) -> None:
        """Change the Pod's annotation."""
        key = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}}
        self.api.patch(key, {"metadata": {"annotations": {NETWORKS: networks}}})

    def network_status(self, name: str) -> list[dict[str, Any]]:
        """The Pod's network-status; empty without one."""
        annotations = self.live(name)["metadata"].get("annotations") or {}
        found: list[dict[str, Any]] = json.loads(annotations.get(STATUS) or "[]")
        return found

    def condition(self, name: str, kind: str = CONDITION) -> dict[str, Any]:
        """One condition of the Pod; empty without it."""
        conditions = (self.live(name).get("status") or {}).get("conditions") or []
        return next((dict(each) for each in conditions if each["type"] == kind), {})

    def is_running(self, name: str) -> bool:
        """Whether the kubelet has told that its container runs."""
        return bool((self.live(name).get("status") or {}).get("phase") == "Running")

    def is_attached(self, name: str) -> bool:
        """Whether the Pod's condition says that all networks are there."""
        return self.condition(name).get("status") == "True"

    def wait(self, condition: Callable[[], object], what: str, *, within: float = 30) -> None:
        """See `Node.wait_until`; a failure also shows what the kubelet last met."""
        try:
            self.node.wait_until(condition, what, within=within)
        except AssertionError as exc:
            exc.add_note(f"Pods of the kubelet: {self.kubelet.summary()}")
            raise

    def wait_attached(self, *names: str, within: float = 30) -> None:
        """Wait until each Pod runs and has its networks."""
        for name in names:
            self.wait(lambda name=name: self.is_running(name) and self.is_attached(name), f"Pod {name}", within=within)  # type: ignore[misc]

    def namespace(self, name: str) -> Namespace:
        """The Pod's network namespace, for traffic from it."""
        (record, *_) = (r for r in self.node.records() if r.pod is not None and r.pod.name == name)
        return _PodNamespace(name=name, where=record.attachment.request.netns.path)

    def wait_reported(self, *names: str) -> None:
        """Wait until the agent that runs now has looked at these Pods."""
        for name in names:
            self.wait(lambda name=name: self.node.is_reported_again(name), f"Pod {name} is looked at")  # type: ignore[misc]

    def readyz(self, port: int) -> tuple[int, str]:
        """Status and text of `/readyz` of the agent, which listens on 127.0.0.1 of the node."""

        def ask() -> tuple[int, str]:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
                connection.request("GET", "/readyz")
                answer = connection.getresponse()
                return answer.status, answer.read().decode()

        return inside(self.node.namespace, ask)

    @property
    def is_chained(self) -> bool:
        """Whether the plugin stands in the runtime's configuration."""
        return any("secnet-cni" in path.read_text() for path in self.runtime.cni_conf.glob("*.conflist"))

    def wait_chained(self) -> None:
        """Wait until the plugin stands in the runtime's configuration, and the runtime has read it."""
        self.wait(lambda: self.is_chained, "chained")
        self.runtime.restart()  # it reads a changed folder by itself, but does not say when

    def used(self, pool_name: str) -> int:
        """How many addresses a pool has given."""
        status = self.api.get(pool(pool_name)).get("status") or {}
        return len(status.get("ipAddresses") or [])

    def ports(self) -> list[str]:
        """The Pods' ports on the bridge."""
        return self.node.ovs.vsctl("list-ports", BRIDGE).split()

    def calls(self, token: str) -> list[tuple[str, str]]:
        """What was asked with a token since the log was begun again: method and the end of the path, watches left out."""
        asked = self.api.requests(token)
        return [(each["method"], _end(each["path"])) for each in asked if "watch=true" not in each["path"]]

    def address(self, name: str, interface: str = "eth1") -> str:
        """The first address in the Pod's network-status."""
        entries = [entry for entry in self.network_status(name) if entry.get("interface") == interface]
        return str(entries[0]["ips"][0])

    def wait_gone(self, *names: str, within: float = 30) -> None:
        """Wait until no record, sandbox or object of these Pods is left."""
        for name in names:
            self.wait(lambda name=name: self._is_gone(name), f"Pod {name} is gone", within=within)  # type: ignore[misc]

    def _is_gone(self, name: str) -> bool:
        there = any(item["metadata"]["name"] == name for item in self.api.items("/api/v1/pods"))
        recorded = any(record.pod is not None and record.pod.name == name for record in self.node.records())
        return not there and not recorded and not self.kubelet.sandbox("default", name)

    def exec(self, name: str, *argv: str) -> Any:
        """Run a program in the Pod's container."""
        return self.runtime.exec(self.kubelet.container("default", name), *argv)

    def talks(self, name: str, other: str) -> bool:
        """Whether a Pod gets an answer from another one; False also while one of them has no network."""
        entries = [entry for entry in self.network_status(other) if entry.get("interface") == "eth1"]
        return bool(entries) and self.pings(name, entries[0]["ips"][0])

    def pings(self, name: str, address: str) -> bool:
        """Whether the Pod gets an answer from an address; False also while its container is not there."""
        try:
            return bool(self.exec(name, "ping", "-c", "1", "-w", "10", address).code == 0)
        except (grpc.RpcError, KeyError):
            return False


def _end(path: str) -> str:
    """The path behind group, version and namespace."""
    parts = path.split("?")[0].strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    return "/".join(parts[2:] if parts[0] == "namespaces" and len(parts) > 2 else parts)


def set_boot_id(api: KubeApiProcess, node: Any, boot_id: str | None) -> None:
    """Write the boot id of its machine into a Node, as a kubelet does. Nodes of tests that share a machine share it."""
    api.patch(node, {"status": {"nodeInfo": {"bootID": boot_id}}}, "/status")


def compiled_plugin() -> Path:
    """The plugin, compiled when its sources are newer."""
    subprocess.run(["make", "-s", "-C", str(_PLUGIN)], check=True, capture_output=True, timeout=60)
    return _PLUGIN / "secnet-cni"


@contextmanager
def play_cluster_node(
    folder: Path,
    api: KubeApiProcess,
    *,
    name: str = "node-1",
    sync: bool = False,
    token: str = AGENT_TOKEN,
    kubernetes: Mapping[str, Any] | None = None,
    devices: Mapping[str, Sequence[str]] | None = None,
    **settings: Any,
) -> Iterator[ClusterNode]:
    """A node with everything but the agent, which a test starts by `node.agent()`. Taken away at the end.

    token: the agent's, which may do what the ClusterRoles of deploy/base and of the component policies allow.
    kubernetes: further keys of that section. devices: ids by resource that the kubelet gives to Pods. settings: see
    `Node.configure`.
    """
    with ExitStack() as stack:
        given = stack.enter_context(play_pod_resources(devices))
        node = stack.enter_context(play_node(folder))
        runtime = stack.enter_context(play_runtime(node.namespace))
        stack.callback(node.end_agents)  # a living one would put its plugin back into folders that are being removed
        api.listen_in(str(node.namespace.path))
        stack.callback(api.leave, str(node.namespace.path))
        roles = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in _CLUSTER_ROLES]
        api.add_token(token, [rule for role in roles for rule in role["rules"]])
        kubeconfig = api.kubeconfig(folder / "kubeconfig", token)
        cni = {
            "program": str(compiled_plugin()),
            "confDir": str(runtime.cni_conf),
            "binDir": str(runtime.cni_bin),
        }
        node.configure(
            **{
                "nodeName": name,
                "manifests": None,
                "kubernetes": {"kubeconfig": str(kubeconfig), **(kubernetes or {})},
                "cri": {"socket": str(runtime.socket)},
                "kubelet": {"podResources": str(given.socket)},
                "cni": cni if sync else None,
                "http": {"listen": "127.0.0.1:0"},
                **settings,
            }
        )
        set_boot_id(
            api, api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}), current_boot_id()
        )
        kubelet = stack.enter_context(Kubelet(runtime, name, api.url, "admin-token", devices=given))
        yield ClusterNode(name, node, runtime, kubelet, api)


ClusterNodeFactory = Callable[..., ClusterNode]


@pytest.fixture
def cluster_node_factory(tmp_path: Path, kubeapi: KubeApiProcess) -> Iterator[ClusterNodeFactory]:
    """Makes nodes of one cluster: `cluster_node_factory(sync=True)` (see `play_cluster_node`)."""
    with ExitStack() as stack:
        made: list[ClusterNode] = []

        def make(**options: Any) -> ClusterNode:
            number = len(made) + 1
            folder = tmp_path / f"node-{number}"
            folder.mkdir()
            node = play_cluster_node(folder, kubeapi, **{"name": f"node-{number}", **options})
            made.append(stack.enter_context(node))
            return made[-1]

        yield make
        for each in made:
            print(each.node.logs())  # pytest shows it when the test failed
