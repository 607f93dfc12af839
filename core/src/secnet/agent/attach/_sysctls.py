"""The sysctls of the Pod's interface."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from secnet.contract import Call, Finding
from secnet.linux import sysctl
from secnet.linux.routes import PROTO_KERNEL, PROTO_RA
from secnet.linux.rtnl import Link, Rtnl

__all__ = ["drop_advertised", "set_sysctls", "sysctl_findings"]

# Position of those that a check reads, in the lists of linux/ip.h and linux/ipv6.h: they come with the link.
_POSITIONS = {"arp_announce": (4, 17), "arp_ignore": (4, 18), "accept_ra": (6, 3), "autoconf": (6, 5)}


def _kept(*, accept_ra: bool) -> dict[str, str]:
    """Values that count as long as the interface lives.

    An interface answers ARP for its own addresses alone, and asks with one of them: two in one subnet would else answer for
    each other. A router on the network gives the Pod no addresses and no default route unless the NAD says so; 2: even if the
    Pod forwards.
    """
    advertisements = {"accept_ra": "2", "autoconf": "1"} if accept_ra else {"accept_ra": "0", "autoconf": "0"}
    return {**advertisements, "arp_ignore": "1", "arp_announce": "2"}


def set_sysctls(ifname: str, addresses: Collection[str], *, accept_ra: bool) -> None:
    """In the calling thread's namespace, before the link goes up: what `_kept` says, and announcements on link-up.

    For IPv6 also: it is on, after what the kernel may learn from routers is settled, and a short link-down does not lose the
    addresses. What the kernel does not have, such as IPv6, is left out. Only what differs is written: a write of
    `disable_ipv6` spins until it gets a lock that all the host's network changes share.
    """
    values = {_key(ifname, name): value for name, value in _kept(accept_ra=accept_ra).items()}
    values[f"ipv4/conf/{ifname}/arp_notify"] = "1"
    if any(":" in address for address in addresses):
        for name, value in (("disable_ipv6", "0"), ("ndisc_notify", "1"), ("keep_addr_on_down", "1")):
            values[f"ipv6/conf/{ifname}/{name}"] = value
    for key, value in values.items():
        if sysctl.read(key) not in (None, value):
            sysctl.write(key, value)


def _key(ifname: str, name: str) -> str:
    family, _ = _POSITIONS[name]
    return f"ipv{family}/conf/{ifname}/{name}"


def sysctl_findings(link: Link, *, accept_ra: bool) -> Iterator[Finding]:
    """Values that are no longer as they were set. Where router advertisements are accepted, their settings are the Pod's."""
    for name, wanted in _kept(accept_ra=accept_ra).items():
        family, position = _POSITIONS[name]
        found = link.setting(family, position)
        if found is not None and str(found) != wanted and not (accept_ra and family == 6):
            message = f"{_key(link.name, name)} is {found} instead of {wanted}"
            yield Finding(code="WrongSysctl", message=message, in_pod=True)


def drop_advertised(pod: Rtnl, link: Link, call: Call) -> None:
    """Remove the addresses and routes that the kernel took from router advertisements before they were forbidden."""
    for address in pod.addresses(link.index):
        if address.advertised:
            with call.step("address.delete", interface=link.name, address=address.cidr):
                pod.delete_address(link.index, address.cidr)
    for route in pod.routes(link.index, family=6):
        if route.protocol == PROTO_RA or (route.protocol == PROTO_KERNEL and route.expires):
            with call.step("route.delete", interface=link.name, dst=route.dst):
                pod.delete_route(link.index, route.dst, gw=route.gw, priority=route.priority, table=route.table)
