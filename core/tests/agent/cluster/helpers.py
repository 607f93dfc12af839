"""Objects and waiting, for the tests of this folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from secnet.agent.cluster.interface import Event

NETWORKS = "k8s.v1.cni.cncf.io/networks"
STATUS = "k8s.v1.cni.cncf.io/network-status"


def pod(name: str, networks: str | None = None, namespace: str = "default") -> dict[str, Any]:
    """A Pod that asks for networks."""
    annotations = {} if networks is None else {NETWORKS: networks}
    meta = {"name": name, "namespace": namespace, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [{"name": "c", "image": "i"}]}}


def pool(name: str, cidr: str = "10.10.0.0/24") -> dict[str, Any]:
    """An IPPool of one range."""
    spec = {"ipRanges": [{"cidr": cidr}], "subnetInfo": {"gateway": "10.10.0.1", "prefixLength": 24}}
    return {"apiVersion": "crd.antrea.io/v1beta1", "kind": "IPPool", "metadata": {"name": name}, "spec": spec}


def given(address: str) -> dict[str, Any]:
    """An entry in the status of an IPPool."""
    owner = {"pod": {"name": "web", "namespace": "default", "containerID": "c", "ifName": "eth1"}}
    return {"ipAddress": address, "phase": "Allocated", "owner": owner}


def nad(name: str, config: str = "{}", *, namespace: str = "default") -> dict[str, Any]:
    """A NetworkAttachmentDefinition."""
    meta = {"name": name, "namespace": namespace}
    spec = {"config": config}
    return {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition", "metadata": meta, "spec": spec}


def until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Wait for a condition; fail after a time that no working machine needs."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


class Recorder:
    """A handler that remembers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[Event] = []

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._events.append(event)

    @property
    def events(self) -> list[Event]:
        """All so far."""
        with self._lock:
            return list(self._events)

    @property
    def seen(self) -> list[tuple[str, str]]:
        """Type and name of each."""
        return [(event.type, event.object["metadata"]["name"]) for event in self.events]

    def wait_for(self, kind: str, name: str) -> Event:
        """The first event of this type and name."""
        until(lambda: (kind, name) in self.seen, f"{kind} {name} among {self.seen}")
        return next(e for e in self.events if (e.type, e.object["metadata"]["name"]) == (kind, name))
