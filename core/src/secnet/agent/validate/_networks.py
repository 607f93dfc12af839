"""What is wrong with a network as a whole: its MTU and routes beside the subnets that its addresses come from."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from secnet.contract import LeaseOutline, Route

from ..attach.mtu import IPV6_MTU
from ..model.network import NetworkConfig

__all__ = ["NetworkProblem", "examine_network"]

_MAIN_TABLE = 254


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkProblem:
    """path: in the config of the NAD. note: the agent takes it, but it has no effect."""

    path: str
    message: str
    hint: str
    note: bool = False


def examine_network(config: NetworkConfig, outline: LeaseOutline) -> Iterator[NetworkProblem]:
    """What the agent would refuse for each Pod, or leave out."""
    subnets = [ipaddress.ip_network(text) for text in outline.subnets]
    six = next((network for network in subnets if network.version == 6), None)
    if config.mtu is not None and config.mtu < IPV6_MTU and six is not None:
        yield NetworkProblem(
            path="$.mtu",
            message=f"{config.mtu} is too small for addresses of {six}: IPv6 needs {IPV6_MTU}",
            hint=f"set mtu to {IPV6_MTU} or more, or give the network no IPv6 addresses",
        )
    for route in outline.routes:
        if _is_plain(route) and ipaddress.ip_network(route.dst, strict=False) in subnets:
            yield NetworkProblem(
                path="$.ipam.routes",
                message=f"{route.dst} is the subnet of the interface, which needs no route: it is left out",
                hint="remove the route, or give it a priority to have it beside the kernel's own",
                note=True,
            )


def _is_plain(route: Route) -> bool:
    return not route.priority and route.table in (None, 0, _MAIN_TABLE)
