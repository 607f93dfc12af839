"""What a plugin needs of the node, as data: `secnet doctor` looks for each item, `secnet drivers` shows them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NODE_SERVICES", "Needs"]

NODE_SERVICES = frozenset({"ovsdb"})
"""`ovsdb`: an OVSDB server at `HostContext.ovsdb`, and an ovs-vswitchd that works on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What must be there for a plugin to do all of its work; what only some options need belongs to `plan`, as an error.

    privileges: capabilities as in capabilities(7), such as `CAP_NET_ADMIN`.
    link_kinds: kinds of links that it makes, as `ip link add ... type KIND` names them.
    kernel_modules: modules as lsmod(8) names them, for what is no link kind; built into the kernel serves as well.
    programs: names of programs that are found by PATH.
    writable: absolute paths of kernel file systems that must be writable, such as `/sys` or `/proc/sys`.
    services: what it talks to, of NODE_SERVICES.
    """

    privileges: tuple[str, ...] = ()
    link_kinds: tuple[str, ...] = ()
    kernel_modules: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
