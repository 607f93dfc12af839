"""The ways of giving Pods secondary networks that are compared, and how each comes onto the nodes of a cluster."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from pathlib import Path

from secnet_testing.kubernetes import secnet
from secnet_testing.kubernetes.cluster import LocalCluster, Object
from secnet_testing.kubernetes.pods import nad, pool

__all__ = ["NETWORKS", "Asynchronous", "Chained", "Rival", "networks"]

NETWORKS: dict[str, str | None] = {"none": None, "one": "blue", "two": "blue,green"}
"""The annotation by how many networks it asks for."""


def networks(namespace: str) -> list[Object]:
    """Two VLAN networks, each with an IPv4 and an IPv6 address for every Pod."""
    made = []
    for name, number in (("blue", 72), ("green", 73)):
        pools = [f"{namespace}-{name}-v4", f"{namespace}-{name}-v6"]
        v4, v6, vlan = f"10.{number}", f"fd00:{number}:", 200 + number
        made += [
            pool(pools[0], f"{v4}.0.10", f"{v4}.1.250", f"{v4}.0.1", 23, vlan=vlan),
            pool(pools[1], f"{v6}:10", f"{v6}:3ff", f"{v6}:1", 64, vlan=vlan),
            nad(name, vlan, *pools),
        ]
    return made


class Rival(ABC):
    """One way. `enter` and `leave` change the whole cluster, so the rivals take turns; made outside of any."""

    name: str
    gate = False
    """Pods with networks name the condition of their networks as a readiness gate."""

    @abstractmethod
    def enter(self) -> None:
        """Bring it onto all nodes; it serves Pods when this returns."""

    @abstractmethod
    def leave(self) -> None:
        """Take it away again, so that another can enter."""

    def networks(self, kind: str) -> str | None:
        """The annotation of Pods with `none`, `one` or `two` networks."""
        return NETWORKS[kind]


class _Secnet(Rival):
    """folder: for the kustomizations."""

    components: tuple[str, ...]

    def __init__(self, cluster: LocalCluster, folder: Path) -> None:
        self._cluster = cluster
        self._folders = (folder / f"{self.name}-{number}" for number in itertools.count())

    def enter(self) -> None:
        self._folder = secnet.kustomization(next(self._folders), *self.components)
        secnet.deploy(self._cluster, self._folder, 300)

    def leave(self) -> None:
        self._cluster.kubectl("delete", "-k", str(self._folder), "--ignore-not-found", timeout=300)


class Chained(_Secnet):
    """secnet with the component `sync`: a Pod's containers start when its networks are there."""

    name = "secnet, chained"
    components = ("sync", "policies")

    def leave(self) -> None:
        secnet.unchain(self._cluster)
        super().leave()


class Asynchronous(_Secnet):
    """secnet without components that change when it attaches: Pods start beside it, and wait with their readiness."""

    name = "secnet, asynchronous"
    components = ("policies",)
    gate = True
