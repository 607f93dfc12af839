"""The handle through which links, addresses and routes are read and changed.

    with open_netns(ref) as fd, host_rtnl() as host, netns_rtnl(fd) as pod:
        veth = host.create_veth("sn0a1b", "eth1", fd, mac, 1500)
        pod.add_address(veth.peer_index, "10.1.2.3/24")
        pod.set_link(veth.peer_index, up=True)

Open one for an operation and close it with the operation; it belongs to the thread that opened it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .addresses import Address, AddressRequests
from .connection import open_socket
from .links import Link, LinkRequests
from .netns import in_netns
from .routes import KernelRoute, RouteRequests

__all__ = ["Address", "KernelRoute", "Link", "Rtnl", "host_rtnl", "netns_rtnl"]


class Rtnl(LinkRequests, AddressRequests, RouteRequests):
    """Requests about links, addresses and routes of one network namespace."""


@contextmanager
def host_rtnl() -> Iterator[Rtnl]:
    """A handle for the calling thread's own namespace."""
    handle = Rtnl(open_socket())
    try:
        yield handle
    finally:
        handle.close()


@contextmanager
def netns_rtnl(fd: int) -> Iterator[Rtnl]:
    """A handle for the network namespace of a descriptor (see `secnet.linux.netns.open_netns`)."""
    handle = Rtnl(in_netns(fd, open_socket))
    try:
        yield handle
    finally:
        handle.close()
