"""One network that a caller of our CNI plugin asks for: from its configuration to the work, and its CHECK."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from secnet.contract import WRONG_MAC, DeviceRef, Finding, InvalidConfig, NetworkRef, SecnetError, thaw

from ..cni.interface import RuntimeConfig, SandboxCall
from ..model.limits import DEFAULT_LIMITS, Limits
from ..model.network import NetworkConfig
from ..model.pod import NETWORKS_ANNOTATION
from ..model.record import Origin, Record
from ..model.sandbox import Sandbox
from ..model.selection import Named, Selection, SelectionId
from ..model.work import Rejected, Work
from ..networks.limits import how_to_raise
from ..networks.nad import parse_config
from ..networks.requests import build_work
from ..plugins.registry import Registry
from .asked_networks import as_member

__all__ = ["by_result", "single_work", "stated"]

_DEVICE_OF_THE_CALLER = "allocated by the caller of the CNI plugin"

# Findings about what a CNI result states of the Pod's side.
_STATED = {
    "AddressMissing",
    "InterfaceDown",
    "InterfaceMissing",
    "LinkMissing",
    "PodLinkMissing",
    WRONG_MAC,
}


def single_work(
    sandbox: SandboxCall,
    found: Sandbox,
    conf: Mapping[str, Any],
    ifname: str,
    runtime: RuntimeConfig,
    registry: Registry,
    nad: NetworkConfig | None,
    limits: Limits = DEFAULT_LIMITS,
) -> Work:
    """The request of one network; refusals are those of an annotation that asks for the same.

    nad: what the caller has the configuration from, if that is known.
    """
    network = NetworkRef(namespace=sandbox.pod.namespace if sandbox.pod else "default", name=str(conf["name"]))
    resource = "" if runtime.device_id is None else _DEVICE_OF_THE_CALLER
    config = parse_config(network, thaw(conf), registry, limits, resource=resource)
    _refuse_many_ips(runtime, limits, network)
    selection = Selection(
        index=0,
        network=network,
        interface=ifname,
        mac=runtime.mac,
        ips=runtime.ips,
        bandwidth=runtime.bandwidth,
        port_mappings=runtime.port_mappings,
        infiniband_guid=runtime.infiniband_guid,
        cni_args=runtime.cni_args,
    )
    named = Named(selection=selection, selection_id=SelectionId(network=network, interface=ifname), ifname=ifname)
    work = build_work(named, sandbox.pod, found, lambda _: config, registry)
    if isinstance(work, Rejected):
        raise _of_caller(work.error, sandbox, network)
    assert isinstance(work, Work)
    device = DeviceRef(id=runtime.device_id) if runtime.device_id is not None else None
    common = work.common if nad is None else as_member(work.common, nad)
    return dataclasses.replace(
        work, origin=Origin.CNI, common=common, request=dataclasses.replace(work.request, device=device)
    )


def _refuse_many_ips(runtime: RuntimeConfig, limits: Limits, network: NetworkRef) -> None:
    """The caller passes on what the annotation says, whose limits hold here too."""
    count = max(len(runtime.ips), len(runtime.port_mappings))
    if count > limits.list_items:
        raise InvalidConfig(
            f"{count} items in runtimeConfig, and at most {limits.list_items} are allowed",
            hint=how_to_raise("listItems", "ask for fewer"),
            subject=f"network {network}",
        )


def _of_caller(error: SecnetError, sandbox: SandboxCall, network: NetworkRef) -> SecnetError:
    """A caller that passes on what the annotation asks for does not say where that stands: the error names the Pod instead."""
    if not error.path.startswith("$["):
        return error
    pod = f"annotation {NETWORKS_ANNOTATION} of Pod {sandbox.pod}, " if sandbox.pod else ""
    return type(error)(error.message, hint=error.hint, subject=f"{pod}network {network.name}")


def by_result(record: Record, result: Mapping[str, Any]) -> Record:
    """The record of a member of a chain as the chain's result has it: later plugins may have set the MAC."""
    listed = result.get("interfaces")
    interfaces = [item for item in listed if isinstance(item, Mapping)] if isinstance(listed, Sequence) else []
    inside = next((item for item in interfaces if item.get("name") == record.key.ifname and item.get("sandbox")), {})
    mac = inside.get("mac")
    attachment = record.attachment
    if isinstance(mac, str) and mac:
        attachment = dataclasses.replace(attachment, mac=mac.lower())
    common = dataclasses.replace(record.common, disable_check=False)
    return record.replace(attachment=attachment, common=common)


def stated(findings: Iterable[Finding]) -> list[Finding]:
    """Those about the host's side, and about what a CNI result states of the Pod's."""
    return [finding for finding in findings if not finding.in_pod or finding.code in _STATED]
