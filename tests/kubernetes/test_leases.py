"""The garbage collection of leases against a real API server, with a clock that the test turns."""

from __future__ import annotations

from pathlib import Path

from secnet.agent.attach.lease_gc import LeaseGarbageCollector
from secnet.agent.attach.lease_ledgers import LocalLedger
from secnet.agent.attach.lease_rounds import LeaseRounds
from secnet.agent.cluster.kube import KubeCluster
from secnet.agent.state.journal import Journal
from secnet.agent.state.sandbox_ledger import SandboxLedger
from secnet.contract import Call, HostContext, IpamRequest, ObjectNotFound
from secnet_conformance.netns import inside
from secnet_ipam.antrea import AntreaBackend
from secnet_testing.kubernetes.cluster import LocalCluster
from secnet_testing.kubernetes.namespace import OwnNamespace
from secnet_testing.kubernetes.pods import nad, pod, pool

GRACE = 300.0


def entry(address: str, name: str, namespace: str, container: str) -> dict[str, object]:
    owner = {"name": name, "namespace": namespace, "containerID": container, "ifName": "eth1"}
    return {"ipAddress": address, "phase": "Allocated", "owner": {"pod": owner}}


class OneBackend:
    """The backend of the real pools, as the collector looks it up."""

    def __init__(self, folder: Path, cluster: KubeCluster) -> None:
        self._backend = AntreaBackend(HostContext(owner_tag="sn", node_name="no-node", run_dir=folder), cluster)

    def backend(self, ipam_type: str) -> AntreaBackend:
        return self._backend

    def release_unheld(self, ipam_type: str, request: IpamRequest, call: Call) -> None:
        self._backend.release(request, call)


class Agent:
    """The collector of a node that has no Pods, at a time of its own."""

    def __init__(self, folder: Path, cluster: KubeCluster) -> None:
        self.now = 0.0
        self._cluster = cluster
        self.rounds = LeaseRounds(
            LeaseGarbageCollector(
                plugins=OneBackend(folder, cluster),  # type: ignore[arg-type]
                journal=Journal(folder / "journal"),
                has_found=lambda key: False,
                has_looked=lambda types: True,
                sandboxes=dict,
                pod_here=self._pod_here,
                ledger=LocalLedger(SandboxLedger(folder), lambda container: False),
                grace=GRACE,
                all_pods=lambda: cluster.names("Pod"),
                clock=lambda: self.now,
            ),
            clock=lambda: self.now,
        )

    def _pod_here(self, namespace: str, name: str) -> bool | None:
        try:
            self._cluster.get("Pod", name, namespace)
        except ObjectNotFound:
            return None
        return False

    def run(self, after: float) -> None:
        self.now += after
        self.rounds.run(["antrea"], Call())


def test_the_address_of_a_pod_that_is_gone_comes_back_and_no_living_one_does(
    local_cluster: LocalCluster, namespace: OwnNamespace, tmp_path: Path
) -> None:
    space, plane = namespace.name, local_cluster.plane
    namespace.apply(pool(space, "10.80.0.10", "10.80.0.99", "10.80.0.1", 24), nad("pink", 180, space), pod("a", "pink"))
    namespace.wait_ready("a")
    cluster = KubeCluster(plane.kubeconfig, node_name="no-node")

    def listed() -> list[str]:
        entries = cluster.get("IPPool", space)["status"]["ipAddresses"]
        return sorted(each["owner"]["pod"]["name"] for each in entries)

    def scenario() -> None:
        obj = cluster.get("IPPool", space)
        obj["status"]["ipAddresses"].append(entry("10.80.0.50", "gone", space, "f" * 64))
        cluster.update_status(obj)
        assert cluster.names("Pod") == {
            (each["metadata"]["namespace"], each["metadata"]["name"]) for each in cluster.list("Pod")
        }
        agent = Agent(tmp_path, cluster)
        agent.run(0.0)
        agent.run(GRACE - 1)
        assert listed() == ["a", "gone"], "not before the grace period is over"
        agent.run(1.0)
        assert listed() == ["a"]

    inside(plane.namespace, scenario)
    cluster.close()
