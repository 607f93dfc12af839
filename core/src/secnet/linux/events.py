"""Events of links from the kernel, in place of polling."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Callable

from secnet.contract import Call

from .errors import translated
from .link import link_name
from .replies import messages

__all__ = ["watch_links"]

_RTMGRP_LINK = 1
_NEWLINK, _DELLINK = 16, 17
_LONGEST_MESSAGE = 1 << 16
_WAKE_SECONDS = 1.0


def watch_links(notify: Callable[[str], object], call: Call, *, tick: Callable[[], object] = lambda: None) -> None:
    """Call `notify` with the name of each link of this thread's namespace that is made, changed or removed.

    It gets the empty name once it listens, and whenever the kernel had to drop events: then anything may have changed. Runs until
    the call ends, and raises Cancelled or Timeout within a second after that. tick: called at least once a second meanwhile, for
    what has no events.
    """
    with translated("listening to the kernel's links"):
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    with sock, translated("listening to the kernel's links"):
        sock.setblocking(False)
        sock.bind((0, _RTMGRP_LINK))
        notify("")
        while True:
            ready, _, _ = select.select([sock], [], [], call.remaining(_WAKE_SECONDS))
            if ready:
                _read(sock, notify)
            tick()


def _read(sock: socket.socket, notify: Callable[[str], object]) -> None:
    try:
        data = sock.recv(_LONGEST_MESSAGE)
    except BlockingIOError:
        return
    except OSError as exc:
        if exc.errno != errno.ENOBUFS:
            raise
        notify("")
        return
    for kind, _, _, body in messages(data):
        if kind in (_NEWLINK, _DELLINK):
            notify(link_name(body))
