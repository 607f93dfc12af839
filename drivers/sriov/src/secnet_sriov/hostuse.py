"""Whether the host itself works with a device's link: then no Pod gets it, as the host would lose what it has there."""

from __future__ import annotations

from secnet.contract import Conflict
from secnet.linux.rtnl import Link, Rtnl

__all__ = ["require_no_port", "require_unused"]

_GLOBAL = 0  # RT_SCOPE_UNIVERSE
_DEFAULT = ("0.0.0.0/0", "::/0")


def require_no_port(link: Link, subject: str) -> None:
    """Raise Conflict if the link is a port of another."""
    if link.master:
        raise _in_use(link, subject, "is a port of another", "take it out of the bridge or bond")


def require_unused(kernel: Rtnl, link: Link, subject: str) -> None:
    """Raise Conflict if another link sits on this one, or it has addresses or the only default route."""
    if upper := next((item for item in kernel.links() if item.lower == link.index and not item.lower_elsewhere), None):
        raise _in_use(link, subject, f"carries {upper.name}", f"remove {upper.name}")
    if addresses := _addresses(kernel, link):
        end_it = f"take it away (`ip address flush dev {link.name}`)"
        raise _in_use(link, subject, f"has the address {', '.join(addresses)}", end_it)
    if _is_the_way_out(kernel, link):
        raise _in_use(link, subject, "has the only default route", "give the host another one")


def _in_use(link: Link, subject: str, what: str, end_it: str) -> Conflict:
    return Conflict(
        f"the host uses the device: its link {link.name} {what}",
        hint=f"{end_it}, or take the device out of the device plugin's resources",
        subject=subject,
    )


def _addresses(kernel: Rtnl, link: Link) -> list[str]:
    """Those that were configured. What the kernel derives from router advertisements, on any link that is up, does not count."""
    found = [item for item in kernel.addresses(link.index) if item.scope == _GLOBAL]
    return [item.cidr for item in found if item.permanent or ":" not in item.cidr]


def _is_the_way_out(kernel: Rtnl, link: Link) -> bool:
    """Whether the host reaches the rest of the world, by one of the families, over this link alone."""
    families = {route.family for route in kernel.routes(link.index) if route.dst in _DEFAULT}
    return any(all(route.index == link.index for route in kernel.default_routes(family)) for family in families)
