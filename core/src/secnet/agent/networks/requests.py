"""From a Pod's selections and their NADs to attach requests: what can be refused without touching the host is refused here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from secnet.contract import (
    AttachRequest,
    IpamOwner,
    IpamRequest,
    NetworkRef,
    PodRef,
    SecnetError,
    Unsupported,
)

from ..model.network import NetworkConfig
from ..model.record import Record
from ..model.sandbox import Sandbox
from ..model.selection import Named, Selection
from ..model.work import Ignored, Rejected, Work
from ..plugins.registry import Registry

__all__ = ["build_work", "is_outdated", "attachment_options_of"]


NetworkLookup = Callable[[NetworkRef], NetworkConfig | None]
"""The parsed NAD, or None for one of another `type`; raises ObjectNotFound or InvalidConfig."""


def attachment_options_of(selection: Selection) -> dict[str, Any]:
    """The attachment-specific keys of a selection; a change of one of them means a new attachment."""
    attachment_options = {
        "mac": selection.mac,
        "ips": selection.ips,
        "default_route": selection.default_route,
        "bandwidth": selection.bandwidth,
        "port_mappings": selection.port_mappings,
        "infiniband_guid": selection.infiniband_guid,
        "cni_args": selection.cni_args,
        "ipam_claim": selection.ipam_claim,
    }
    return {
        key: value
        for key, value in attachment_options.items()
        if value not in (None, (), {}) or (key == "default_route" and value == ())
    }


def build_work(
    named: Named, pod: PodRef | None, sandbox: Sandbox, look_up: NetworkLookup, registry: Registry
) -> Work | Rejected | Ignored:
    """The work for one named selection, or why there is none."""
    config: NetworkConfig | None = None
    try:
        config = look_up(named.selection.network)
        if config is None:
            return Ignored(selection_id=named.selection_id)
        if named.error is not None:
            raise named.error
        _refuse_unsupported(named.selection, config, registry)
    except SecnetError as exc:
        return Rejected(
            selection_id=named.selection_id,
            ifname=named.ifname or "",
            error=exc,
            network_type=config.network_type if config else "",
            nad_generation=config.generation if config else 0,
        )
    return _work(named, config, pod, sandbox, needs_device=registry.drivers[config.network_type].info.needs_device)


def _work(named: Named, config: NetworkConfig, pod: PodRef | None, sandbox: Sandbox, *, needs_device: bool) -> Work:
    selection = named.selection
    owner = IpamOwner(container_id=sandbox.container_id, ifname=named.ifname, pod=pod)
    ipam = None
    if config.ipam_type is not None:
        ipam = IpamRequest(owner=owner, network=config.network, config=config.ipam_config, ips=selection.ips)
    request = AttachRequest(
        container_id=sandbox.container_id,
        ifname=named.ifname,
        pod=pod,
        network=config.network,
        network_type=config.network_type,
        netns=sandbox.netns,
        options=config.options,
        mtu=config.mtu,
        mac=selection.mac,
        bandwidth=selection.bandwidth,
        port_mappings=selection.port_mappings,
        infiniband_guid=selection.infiniband_guid,
    )
    return Work(
        selection_id=named.selection_id,
        request=request,
        attachment_options=attachment_options_of(selection),
        ipam=ipam,
        ipam_type=config.ipam_type,
        resource=config.resource_name if needs_device else None,
        nad_generation=config.generation,
    )


def _refuse_unsupported(selection: Selection, config: NetworkConfig, registry: Registry) -> None:
    """Nothing that was asked for is silently dropped: what neither driver nor backend honours fails this network."""
    driver = registry.drivers[config.network_type].info.capabilities
    backend = registry.backends[config.ipam_type].info.capabilities if config.ipam_type else frozenset()
    type_text = f"network type {config.network_type}"
    ipam_text = f"IPAM type {config.ipam_type}" if config.ipam_type else "a network without ipam"
    wishes = (
        ("mac", selection.mac, "mac" in driver, type_text),
        ("mtu (of the NAD)", config.mtu, "mtu" in driver, type_text),
        ("bandwidth", selection.bandwidth, "bandwidth" in driver, type_text),
        ("portMappings", selection.port_mappings, "portMappings" in driver, type_text),
        ("infiniband-guid", selection.infiniband_guid, "infinibandGuid" in driver, type_text),
        ("ips", selection.ips, "ips" in backend, ipam_text),
        ("cni-args", selection.cni_args, False, "secnet"),
        ("ipam-claim-reference", selection.ipam_claim, False, "secnet"),
    )
    for key, value, honoured, who in wishes:
        if value and not honoured:
            raise Unsupported(
                f"{key} is asked for, but {who} does not support it",
                hint=f"remove {key} from the annotation or use a network that supports it",
                subject=f"annotation element {selection.index}, network {config.network}",
                path=f"$[{selection.index}]",
            )


def is_outdated(record: Record, work: Work) -> bool:
    """Whether the NAD says something else now than when the attachment was made."""
    old, new = record.attachment.request, work.request
    same = (old.network_type, old.options, old.mtu) == (new.network_type, new.options, new.mtu)
    old_ipam = None if record.ipam is None else (record.ipam_type, record.ipam.config)
    new_ipam = None if work.ipam is None else (work.ipam_type, work.ipam.config)
    old_resource = None if old.device is None else old.device.resource
    return not same or old_ipam != new_ipam or old_resource != work.resource
