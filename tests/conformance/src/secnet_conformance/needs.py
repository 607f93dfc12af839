"""What a test needs of the machine: it skips and names what is missing. In a promised tier such a skip is a failure."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import shutil

import pytest
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from secnet.linux.connection import open_socket
from secnet.linux.netns import CLONE_NEWNET, in_netns

__all__ = ["requires_command", "requires_link_kind", "requires_root"]


def requires_root() -> None:
    """Skip unless the test runs as root."""
    if os.geteuid() != 0:
        pytest.skip("needs root")


def requires_command(*names: str) -> None:
    """Skip unless these programs are installed."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs the command {', '.join(missing)}")


def requires_link_kind(*kinds: str) -> None:
    """Skip unless the kernel can make links of these kinds, such as `veth` or `macvlan`."""
    requires_root()
    missing = [kind for kind in kinds if not _kernel_makes(kind)]
    if missing:
        pytest.skip(f"needs the link kind {', '.join(missing)}, which this kernel does not have")


@functools.cache
def _kernel_makes(kind: str) -> bool:
    """Ask for such a link in a namespace that ends with the question."""
    with open("/proc/self/ns/net") as here:
        return in_netns(here.fileno(), lambda: _ask(kind))


def _ask(kind: str) -> bool:
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    with open_socket() as sock, IPRoute(use_socket=sock) as kernel:
        try:
            kernel.link("add", ifname="probe0", kind=kind)
        except NetlinkError as exc:
            # Any other refusal (a macvlan wants a parent) comes from the kind itself, so it exists.
            return bool(exc.code != errno.EOPNOTSUPP)
    return True
