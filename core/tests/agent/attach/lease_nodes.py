"""The machines of `lease_world`: Pods, nodes with their kernels and agents, and what an agent's garbage collection asks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

from secnet.agent.attach.lease_evidence import Recorder, SandboxState
from secnet.agent.attach.lease_gc import LeaseGarbageCollector
from secnet.contract import AttachmentId, AttachRequest

__all__ = ["IFNAME", "Journal", "Ledger", "Node", "Pod"]

IFNAME = "eth1"


@dataclass
class Pod:
    """An object of the source. container: of the sandbox that it names or has now. asks: whether it asks for the network."""

    uid: int
    node: str
    container: str
    asks: bool = True


@dataclass
class Node:
    """A machine, and its agent. namespaces: the Pod of each that exists. interfaces: the address of each, by container.

    running, frozen: the agent. journal, found, looked: what it has on disk or in memory. boots: how often the machine booted.
    """

    name: str
    namespaces: dict[str, str] = field(default_factory=dict)
    interfaces: dict[str, int] = field(default_factory=dict)
    running: bool = True
    frozen: bool = False
    inventory_works: bool = True
    journal: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)
    looked: bool = False
    boots: int = 0
    lease_gc: LeaseGarbageCollector | None = None

    @property
    def acts(self) -> bool:
        return self.running and not self.frozen


class Ledger:
    """What an agent knows of sandboxes, as `CommonLedgers` with manifests and `LocalLedger` with the API; without files."""

    def __init__(self, ledgers: Mapping[str, dict[str, int]], node: Node, *, api: bool) -> None:
        self._ledgers = ledgers
        self._node = node
        self._api = api
        self._own = ledgers[node.name]

    def add(self, request: AttachRequest) -> None:
        self._own[request.container_id] = self._node.boots

    def refresh(self) -> None:
        pass

    def recorder(self, container_id: str) -> Recorder:
        if container_id in self._own:
            return Recorder.THIS_AGENT
        if self._api:
            return Recorder.UNKNOWN
        return Recorder.OTHER_AGENT if self.agent(container_id) else Recorder.NO_AGENT

    def agent(self, container_id: str) -> str:
        return next((node for node, known in self._ledgers.items() if container_id in known), "")

    def alone(self) -> bool:
        return False

    def state(self, container_id: str) -> SandboxState:
        living = container_id in self._node.namespaces
        if self._api:
            return SandboxState.LIVING if living else SandboxState.ENDED
        if self._own[container_id] != self._node.boots:
            return SandboxState.ENDED
        return SandboxState.LIVING if living else SandboxState.UNNAMED

    def network_types(self, container_id: str) -> tuple[str, ...]:
        return ()

    def keep_only(self, named: Callable[[], Collection[str]]) -> None:
        for container in set(self._own) - set(named()):
            del self._own[container]


class Journal:
    """The two questions that the garbage collection asks a journal."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def get(self, key: AttachmentId) -> object | None:
        return key if key.container_id in self._node.journal else None

    def records(self) -> list[object]:
        keys = (AttachmentId(container_id=container, ifname=IFNAME) for container in self._node.journal)
        return [SimpleNamespace(key=key) for key in keys]
