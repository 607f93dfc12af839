"""RDMA devices of a function: moved along where each belongs to one namespace, left alone where all see them (the default).

The kernel takes them back to the host by itself when the Pod's namespace ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from secnet.contract import Attachment, Call, Finding, HostContext, Unsupported
from secnet.linux.functions import Function
from secnet.linux.netns import in_netns, open_netns
from secnet.linux.rdma import RdmaConnection, open_rdma_socket

from .netdev import host_netns

__all__ = ["move_back", "move_in", "rdma_findings", "rdma_of"]


def rdma_of(function: Function) -> list[str]:
    """The devices to move with the function: none in the shared mode, or without an RDMA subsystem."""
    if not function.rdma:
        return []
    try:
        with _opened() as host:
            return list(function.rdma) if host.exclusive() else []
    except Unsupported:
        return []


def move_in(attachment: Attachment, netns_fd: int, call: Call) -> None:
    """Into the Pod; what is there already stays."""
    names = attachment.state.get("rdma", ())
    if not names:
        return
    with _opened() as host:
        here = host.devices()
        for name in names:
            if name in here:
                with call.step("rdma.move", rdma=name):
                    host.move(name, netns_fd)


def move_back(attachment: Attachment, host: HostContext, call: Call) -> None:
    """Out of a Pod whose namespace lives."""
    names = attachment.state.get("rdma", ())
    if not names:
        return
    with open_netns(attachment.request.netns) as fd, _opened(fd) as pod, host_netns(host) as home:
        there = pod.devices()
        for name in names:
            if name in there:
                with call.step("rdma.return", rdma=name):
                    pod.move(name, home)


def rdma_findings(attachment: Attachment) -> Iterator[Finding]:
    """Devices that the Pod should have and has not."""
    names = attachment.state.get("rdma", ())
    if not names:
        return
    with open_netns(attachment.request.netns) as fd, _opened(fd) as pod:
        there = pod.devices()
    for name in names:
        if name not in there:
            yield Finding(code="RdmaMissing", message=f"the Pod does not have the RDMA device {name}")


@contextmanager
def _opened(netns_fd: int | None = None) -> Iterator[RdmaConnection]:
    """A connection for a namespace; None: this thread's."""
    opened = open_rdma_socket() if netns_fd is None else in_netns(netns_fd, open_rdma_socket)
    connection = RdmaConnection(opened)
    try:
        yield connection
    finally:
        connection.close()
