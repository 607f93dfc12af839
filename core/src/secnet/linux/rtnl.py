"""The handle through which links, addresses and routes are read and changed.

    with pod_rtnl(ref) as (fd, pod), host_rtnl() as host:
        veth = host.create_veth("sn0a1b", "eth1", fd, mac, 1500)
        pod.add_address(veth.peer_index, "10.1.2.3/24")
        pod.set_link(veth.peer_index, up=True)

Open one for an operation and close it with the operation; it belongs to the thread that opened it.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from secnet.contract import Gone, NetnsRef

from .addresses import Address, AddressRequests
from .connection import open_socket
from .link import Link
from .netns import in_netns, open_netns
from .routes import KernelRoute, RouteRequests
from .rules import RuleRequests, SourceRule
from .saved_routes import SavedRoute, SavedRouteRequests
from .vf import VfRequests, VirtualFunction

__all__ = [
    "Address",
    "KernelRoute",
    "Link",
    "Rtnl",
    "SavedRoute",
    "SourceRule",
    "VirtualFunction",
    "host_rtnl",
    "netns_rtnl",
    "pod_rtnl",
    "reading_together",
]


_open = threading.local()  # what `reading_together` keeps open for this thread


class Rtnl(AddressRequests, RouteRequests, SavedRouteRequests, RuleRequests, VfRequests):
    """Requests about links, addresses, routes, rules and virtual functions of one network namespace."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Entries:
    known: dict[NetnsRef, tuple[int, Rtnl]]
    stack: ExitStack


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


@contextmanager
def reading_together() -> Iterator[None]:
    """Within it, this thread enters each Pod's namespace once, however often `pod_rtnl` is called for it.

    For looks that driver and core take one after the other, and for a change after a look: the throw-away thread and the
    socket are most of what one costs. The handles are closed at the end, not by who uses them.
    """
    before = getattr(_open, "entries", None)
    with ExitStack() as stack:
        _open.entries = _Entries({}, stack)
        try:
            yield
        finally:
            _open.entries = before


@contextmanager
def pod_rtnl(ref: NetnsRef, first: Callable[[], object] | None = None) -> Iterator[tuple[int, Rtnl]]:
    """The descriptor of a Pod's namespace, and a handle in it. Raises Gone as `open_netns` does.

    The same checks as `open_netns` and `netns_rtnl` make, by one throw-away thread instead of two: the handle's own socket
    verifies the cookie. first: called in that thread as well, inside the namespace once it is proved to be the right one.
    """
    entries: _Entries | None = getattr(_open, "entries", None)
    if entries is None or first is not None:
        with _entered(ref, first) as entry:
            yield entry
        return
    if ref not in entries.known:
        entries.known[ref] = entries.stack.enter_context(_entered(ref, None))
    yield entries.known[ref]


@contextmanager
def _entered(ref: NetnsRef, first: Callable[[], object] | None) -> Iterator[tuple[int, Rtnl]]:
    def enter() -> Rtnl:
        handle = Rtnl(open_socket())
        try:
            _require_same(handle, ref)
            if first is not None:
                first()
        except BaseException:
            handle.close()
            raise
        return handle

    with open_netns(dataclasses.replace(ref, cookie=0)) as fd:
        handle = in_netns(fd, enter)
        try:
            yield fd, handle
        finally:
            handle.close()


def _require_same(handle: Rtnl, ref: NetnsRef) -> None:
    if ref.cookie and handle.netns_cookie() != ref.cookie:
        raise Gone(
            f"the network namespace {ref.path} is another namespace now than when the Pod was attached",
            hint="what was begun for it is cleaned up",
            subject=ref.path,
        )
