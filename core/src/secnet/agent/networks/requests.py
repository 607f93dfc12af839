"""From a Pod's named selections to attach requests. What needs no host is refused here."""

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
from ..model.selection import Malformed, Named, Selection
from ..model.work import Ignored, Rejected, Work
from ..plugins.registry import Registry

__all__ = ["attachment_options_of", "build_work", "is_outdated"]


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
    """The work for one named element, or why there is none."""
    if isinstance(named.selection, Malformed):
        return _of_malformed(named, named.selection, look_up)
    config: NetworkConfig | None = None
    try:
        config = look_up(named.selection.network)
        if config is None:
            return Ignored(selection_id=named.selection_id)
        if named.error is not None:
            raise named.error
        _refuse_unsupported(named.selection, config, registry)
    except SecnetError as exc:
        return _rejected(named, exc, config)
    needs_device = registry.drivers[config.network_type].info.needs_device
    return _work(named, named.selection, config, pod, sandbox, needs_device=needs_device)


def _of_malformed(named: Named, malformed: Malformed, look_up: NetworkLookup) -> Rejected | Ignored:
    """What is wrong with the element counts first, unless its network is none of ours."""
    config: NetworkConfig | None = None
    if malformed.names_network:
        try:
            config = look_up(malformed.network)
        except SecnetError:
            return _rejected(named, malformed.error, None)
        if config is None:
            return Ignored(selection_id=named.selection_id)
    return _rejected(named, malformed.error, config)


def _rejected(named: Named, error: SecnetError, config: NetworkConfig | None) -> Rejected:
    return Rejected(
        selection_id=named.selection_id,
        ifname=named.ifname,
        error=error,
        network_type=config.network_type if config else "",
        nad_generation=config.generation if config else 0,
        unidentified=named.unidentified,
    )


def _work(
    named: Named,
    selection: Selection,
    config: NetworkConfig,
    pod: PodRef | None,
    sandbox: Sandbox,
    *,
    needs_device: bool,
) -> Work:
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
        common=config.common,
    )


def _refuse_unsupported(selection: Selection, config: NetworkConfig, registry: Registry) -> None:
    """Nothing that was asked for is silently dropped: what neither driver nor backend honours fails this network."""
    driver = registry.drivers[config.network_type].info.capabilities
    backend = registry.backends[config.ipam_type].info.capabilities if config.ipam_type else frozenset()
    type_text = f"network type {config.network_type}"
    ipam_text = f"IPAM type {config.ipam_type}" if config.ipam_type else "a network without ipam"
    if config.mtu and "mtu" not in driver:
        raise Unsupported(
            f"mtu is set, but {type_text} does not support it",
            hint="remove mtu, or use a network type that supports it",
            subject=f"NetworkAttachmentDefinition {config.network}",
            path="$.mtu",
        )
    asked = (
        ("mac", selection.mac, "mac" in driver, type_text),
        ("bandwidth", selection.bandwidth, "bandwidth" in driver, type_text),
        ("portMappings", selection.port_mappings, "portMappings" in driver, type_text),
        ("infiniband-guid", selection.infiniband_guid, "infinibandGuid" in driver, type_text),
        ("ips", selection.ips, "ips" in backend, ipam_text),
        ("cni-args", selection.cni_args, False, "secnet"),
        ("ipam-claim-reference", selection.ipam_claim, False, "secnet"),
    )
    for key, value, honoured, who in asked:
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
    others = (old_ipam, old_resource, record.common) != (new_ipam, work.resource, work.common)
    return not same or others
