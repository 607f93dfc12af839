"""A veth pair between a node and a Pod, both namespaces of the test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from secnet.linux.rtnl import Link, Rtnl, host_rtnl, netns_rtnl
from secnet_conformance.needs import requires_link_kind

from .netns import Namespace, NetnsFactory

__all__ = ["HOST_END", "POD_END", "POD_MAC", "Wire", "wire"]

HOST_END, POD_END, POD_MAC = "sn0123456789abc", "eth1", "02:00:00:00:00:05"


@dataclass(frozen=True, kw_only=True)
class Wire:
    """The test's own namespace is the node's; `host` and `pod` are handles of both, `veth` is the node's end."""

    node: Namespace
    pod_ns: Namespace
    fd: int
    host: Rtnl
    pod: Rtnl
    veth: Link

    @property
    def inner(self) -> int:
        """Index of the Pod's end."""
        return self.veth.peer_index

    def up(self) -> None:
        """Bring both ends up and wait until the kernel sends through both."""
        self.host.set_link(self.veth.index, up=True)
        self.pod.set_link(self.inner, up=True)
        deadline = time.monotonic() + 10
        while not (_running(self.host, self.veth.index) and _running(self.pod, self.inner)):
            assert time.monotonic() < deadline, "the veth pair did not come up"
            time.sleep(0.005)


def _running(handle: Rtnl, index: int) -> bool:
    link = handle.link_by_index(index)
    return link is not None and link.running


@pytest.fixture
def wire(node_netns: Namespace, netns_factory: NetnsFactory) -> Iterator[Wire]:
    """The pair, both ends down."""
    requires_link_kind("veth")
    pod_ns = netns_factory()
    with pod_ns.open() as fd, host_rtnl() as host, netns_rtnl(fd) as pod:
        veth = host.create_veth(HOST_END, POD_END, fd, POD_MAC, 1400)
        yield Wire(node=node_netns, pod_ns=pod_ns, fd=fd, host=host, pod=pod, veth=veth)
