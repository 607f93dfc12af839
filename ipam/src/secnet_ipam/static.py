"""The backend of `ipam.type: static`: the addresses that the network or the Pod names, recorded nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from secnet.contract import (
    BackendInfo,
    Call,
    InvalidConfig,
    IPAMBackend,
    IpamLease,
    IpamRequest,
    LeaseOutline,
    ProbeReport,
)

from .config import outline, read_config
from .fragments import static_fragment
from .requested import read_full
from .subjects import blaming, network_subject, owner_subject

__all__ = ["StaticBackend"]


class StaticBackend(IPAMBackend):
    """What the CNI plugin `static` does: addresses, routes and DNS as written.

    Addresses that the Pod asks for stand in place of the network's, and must carry their prefix length: so does the plugin
    with `runtimeConfig.ips`. Two Pods with one address are not noticed here.
    """

    @classmethod
    def describe(cls) -> BackendInfo:
        """What this backend is."""
        return BackendInfo(
            ipam_type="static",
            summary="the addresses that the network or the Pod's annotation names; nothing is recorded",
            config=static_fragment(),
            capabilities=frozenset({"ips"}),
            allocates=False,
            example={"addresses": [{"address": "192.0.2.111/24", "gateway": "192.0.2.1"}]},
        )

    def probe(self) -> ProbeReport:
        """Always ready: it needs nothing."""
        return ProbeReport(ready=True)

    def validate(self, config: Mapping[str, Any]) -> None:
        """Refuse what are no addresses. None at all is allowed: each Pod may name its own."""
        read_config(config)

    def outline(self, config: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> LeaseOutline:
        """The subnets of the network's addresses, and its routes."""
        return outline(read_config(config), ())

    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        """The Pod's own addresses, else the network's. Raises InvalidConfig when there are none."""
        with blaming(network_subject(request.network)):
            config = read_config(request.config)
        with blaming(owner_subject(request.owner)):
            addresses = read_full(request.ips) or config.addresses
        if not addresses:
            raise InvalidConfig(
                "no address: the network lists none, and the Pod's annotation asks for none",
                hint="list addresses in the NAD, or ips in the annotation",
                subject=network_subject(request.network),
                path="$.ipam.addresses",
            )
        return IpamLease(
            owner=request.owner,
            addresses=tuple(address.lease for address in addresses),
            routes=config.routes,
            dns=config.dns,
        )

    def release(self, request: IpamRequest, call: Call) -> None:
        """Nothing is held."""
