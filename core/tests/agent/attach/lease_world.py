"""A simulated cluster for `test_lease_model`: nodes, agents that stop and freeze, Pods that move, one pool of addresses.

Real are the garbage collection of leases and its rule. Simulated is all that would take minutes or machines: kernel, journal,
ledgers, pool, source of the objects, and time.
"""

from __future__ import annotations

from secnet.agent.attach.lease_evidence import GRACE_SECONDS, Recorder
from secnet.agent.attach.lease_gc import LeaseGarbageCollector
from secnet.contract import Call, IpamLease, IpamOwner, IpamRequest, LeaseAddress, NetworkRef, PodRef
from secnet_testing.contract_objects import request

from .lease_nodes import IFNAME, Journal, Ledger, Node, Pod

__all__ = ["NODES", "PODS", "World"]

NODES = ("node-1", "node-2")
PODS = ("web", "db")
ADDRESSES = 4


class World:
    """All of it, and the events that happen to it; after each of them every agent that runs acts once.

    api: whether the Kubernetes API is the source, and a kubelet ends sandboxes before objects; else manifests.
    """

    EVENTS_OF_PODS = ("delete", "move_namespace", "stop_asking")
    EVENTS_OF_NODES = (
        *("stop", "start", "freeze", "thaw", "lose_journal", "lose_ledger", "reboot", "forget"),
        *("fail_inventory", "restore_inventory"),
    )

    def __init__(self, *, api: bool) -> None:
        self.api = api
        self.now = 0.0
        self._uids = 0
        self.pods: dict[str, Pod] = {}
        self.leases: dict[str, tuple[str, int]] = {}  # by container: Pod and address
        self.ledgers: dict[str, dict[str, int]] = {name: {} for name in NODES}
        self.nodes = {name: Node(name=name) for name in NODES}
        for node in self.nodes.values():
            self._start_process(node)

    # Events

    def place(self, name: str, where: str) -> None:
        """The Pod is created on a node, or made again there. With manifests no one ends what it was elsewhere."""
        if name in self.pods and self.pods[name].node == where:
            return
        if self.api and name in self.pods:
            self.delete(name)
        self._uids += 1
        self.pods[name] = Pod(uid=self._uids, node=where, container=self._new_namespace(name, where))

    def edit_node(self, name: str, where: str) -> None:
        """Manifests: the Pod's nodeName is edited, so it keeps its uid, and the namespaces of both nodes may look the same."""
        pod = self.pods.get(name)
        if pod is None or self.api or pod.node == where:
            return
        pod.node = where
        self.nodes[where].namespaces[pod.container] = name

    def delete(self, name: str) -> None:
        """The object goes. A kubelet ends the sandbox first, or someone who deletes by force vouches for that."""
        pod = self.pods.pop(name, None)
        if pod is not None and self.api:
            self._end(self.nodes[pod.node], pod.container)

    def end(self, name: str, where: str) -> None:
        """The oldest namespace of a Pod on a node is removed, and with it the interface; a kubelet makes another one."""
        node = self.nodes[where]
        container = next((each for each, pod in node.namespaces.items() if pod == name), None)
        if container is None:
            return
        self._end(node, container)
        pod = self.pods.get(name)
        if self.api and pod is not None and pod.container == container:
            pod.container = self._new_namespace(name, where)

    def move_namespace(self, name: str) -> None:
        """Manifests: the annotation names another namespace of the same node, and the first one stays."""
        pod = self.pods.get(name)
        if pod is not None and not self.api:
            pod.container = self._new_namespace(name, pod.node)

    def stop_asking(self, name: str) -> None:
        """The annotation asks for no network any more, or for it again."""
        if name in self.pods:
            self.pods[name].asks = not self.pods[name].asks

    def blink(self, name: str) -> None:
        """API: the mirror of a static Pod is deleted, and its kubelet creates it again within the grace period.

        Not while an agent is frozen, as its two looks may be of two such moments.
        """
        pod = self.pods.get(name)
        if pod is None or not self.api or any(node.frozen for node in self.nodes.values()):
            return
        del self.pods[name]
        self.act()
        self.wait(GRACE_SECONDS - 1)
        self.act()
        self.pods[name] = pod

    def stop(self, where: str) -> None:
        """SIGTERM."""
        node = self.nodes[where]
        node.running = node.frozen = False

    def start(self, where: str) -> None:
        node = self.nodes[where]
        if not node.running:
            node.running, node.found, node.looked = True, set(), False
            self._start_process(node)

    def freeze(self, where: str) -> None:
        """SIGSTOP."""
        self.nodes[where].frozen = self.nodes[where].running

    def thaw(self, where: str) -> None:
        self.nodes[where].frozen = False

    def lose_journal(self, where: str) -> None:
        """The agent is stopped, and its run directory is removed."""
        self.stop(where)
        self.nodes[where].journal = set()

    def lose_ledger(self, where: str) -> None:
        """API: the state directory is removed. With manifests it has the pools as well, and nothing is left to judge."""
        if self.api:
            self.stop(where)
            self.ledgers[where].clear()

    def reboot(self, where: str) -> None:
        """Everything in the kernel is gone, and the run directory. A kubelet makes new sandboxes."""
        node = self.nodes[where]
        self.stop(where)
        node.namespaces, node.interfaces, node.journal = {}, {}, set()
        node.boots += 1
        for name, pod in self.pods.items():
            if pod.node == where:
                pod.container = self._new_namespace(name, where)
        self.start(where)

    def forget(self, where: str) -> None:
        """Manifests: the machine is switched off, and an operator says that it is gone, as `ForgottenNodes` does."""
        node, ledger = self.nodes[where], self.ledgers[where]
        if self.api or node.acts:
            return
        self.stop(where)
        node.namespaces, node.interfaces, node.journal = {}, {}, set()
        node.boots += 1
        others = set().union(*(known for name, known in self.ledgers.items() if name != where))
        for container in set(ledger) - others:
            self.leases.pop(container, None)
        ledger.clear()

    def fail_inventory(self, where: str) -> None:
        """A driver cannot say what is on the node, as while Open vSwitch is away."""
        self.nodes[where].inventory_works = False

    def restore_inventory(self, where: str) -> None:
        self.nodes[where].inventory_works = True

    def wait(self, seconds: float) -> None:
        self.now += seconds

    # Agents

    def act(self) -> None:
        """Every agent that runs reconciles its Pods, and collects garbage."""
        for node in self.nodes.values():
            if node.acts:
                self._look(node)
                self._reconcile(node)
                assert node.lease_gc is not None
                assert node.lease_gc.collect(["pool"], Call())

    def _start_process(self, node: Node) -> None:
        node.lease_gc = LeaseGarbageCollector(
            plugins=self,  # type: ignore[arg-type]
            journal=Journal(node),  # type: ignore[arg-type]
            has_found=lambda key: key.container_id in node.found,
            has_looked=lambda types: node.looked,
            sandboxes=lambda: self._sandboxes(node),
            pod_here=lambda namespace, name: self.pods[name].node == node.name if name in self.pods else None,
            ledger=self._ledger(node),
            all_pods=(lambda: frozenset(("default", name) for name in self.pods)) if self.api else None,
            clock=lambda: self.now,
        )

    def _ledger(self, node: Node) -> Ledger:
        return Ledger(self.ledgers, node, api=self.api)

    def _sandboxes(self, node: Node) -> dict[tuple[str, str], str | None]:
        here = {name: pod for name, pod in self.pods.items() if pod.node == node.name}
        return {
            ("default", name): pod.container if pod.asks and pod.container in node.namespaces else None
            for name, pod in here.items()
        }

    def _look(self, node: Node) -> None:
        node.looked = node.inventory_works
        if node.looked:
            node.found = set(node.interfaces) - node.journal

    def _reconcile(self, node: Node) -> None:
        wanted = {container for container in self._sandboxes(node).values() if container is not None}
        for container in sorted(node.journal - wanted):
            if not (self.api and container in node.namespaces and node.namespaces[container] not in self.pods):
                self._detach(node, container)
        for container in sorted(wanted - node.journal):
            self._attach(node, container)

    def _detach(self, node: Node, container: str) -> None:
        node.interfaces.pop(container, None)
        if self._ledger(node).recorder(container) is not Recorder.OTHER_AGENT:
            self.leases.pop(container, None)
        node.journal.discard(container)

    def _attach(self, node: Node, container: str) -> None:
        ledger, name = self._ledger(node), node.namespaces[container]
        node.journal.add(container)
        node.interfaces.pop(container, None)  # what stands there without a record is removed first
        node.found.discard(container)
        address = None
        if ledger.recorder(container) is not Recorder.OTHER_AGENT:  # `CommonLedgers.add` refuses it
            ledger.add(request(container=container))
            address = self._allocate(container, name)
            if address is None and node.lease_gc is not None:
                node.lease_gc.reclaim(_request(container, name), "pool", Call())
                address = self._allocate(container, name)
        if address is None:
            self._detach(node, container)
        else:
            node.interfaces[container] = address

    def _allocate(self, container: str, name: str) -> int | None:
        if container not in self.leases:
            free = set(range(ADDRESSES)) - {address for _, address in self.leases.values()}
            if not free:
                return None
            self.leases[container] = (name, min(free))
        return self.leases[container][1]

    # The kernel, and the pool as a backend

    def _new_namespace(self, name: str, where: str) -> str:
        self._uids += 1
        container = f"{name}-{self._uids}"
        self.nodes[where].namespaces[container] = name
        return container

    def _end(self, node: Node, container: str) -> None:
        node.namespaces.pop(container, None)
        node.interfaces.pop(container, None)

    def backend(self, ipam_type: str) -> World:
        return self

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        return tuple(
            IpamLease(owner=_owner(container, name), addresses=(LeaseAddress(address=f"10.0.0.{address}/24"),))
            for container, (name, address) in self.leases.items()
        )

    def release_unheld(self, ipam_type: str, given: IpamRequest, call: Call) -> None:
        self.leases.pop(given.owner.container_id, None)


def _owner(container: str, name: str) -> IpamOwner:
    return IpamOwner(container_id=container, ifname=IFNAME, pod=PodRef(namespace="default", name=name, uid="", node=""))


def _request(container: str, name: str) -> IpamRequest:
    return IpamRequest(owner=_owner(container, name), network=NetworkRef(namespace="default", name="net"), config={})
