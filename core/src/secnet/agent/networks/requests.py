"""From a Pod's selections to attach requests: the interface names, then the work. What needs no host is refused here.

The names come first. They do not depend on which NADs exist or are valid, so a network that fails now and succeeds later never
shifts the names of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from secnet.contract import (
    AttachRequest,
    Conflict,
    IpamOwner,
    IpamRequest,
    NetworkRef,
    PodRef,
    SecnetError,
    Unsupported,
)

from ..model.network import NetworkConfig
from ..model.pod import NETWORKS_ANNOTATION
from ..model.record import Record
from ..model.sandbox import Sandbox
from ..model.selection import Named, Selection, SelectionId
from ..model.work import Ignored, Rejected, Work
from ..plugins.registry import Registry

__all__ = ["assign_names", "attachment_options_of", "build_work", "is_outdated"]

_AUTOMATIC = tuple(f"eth{number}" for number in range(1, 101))


NetworkLookup = Callable[[NetworkRef], NetworkConfig | None]
"""The parsed NAD, or None for one of another `type`; raises ObjectNotFound or InvalidConfig."""


def assign_names(selections: Sequence[Selection], recorded: Mapping[SelectionId, str]) -> tuple[Named, ...]:
    """Name every selection, in order.

    recorded: names of the Pod's living attachments, which keep them whatever the annotation says now. Explicit names are
    reserved next; the rest take the first free of eth1 to eth100 by position. An interface name or MAC that a living
    attachment or an earlier element has fails the later element with Conflict (4.1.2.1.5).
    """
    selection_ids = _selection_ids(selections)
    names: dict[int, str] = {}
    holder: dict[str, int] = {}
    errors: dict[int, SecnetError] = {}
    for position, selection_id in enumerate(selection_ids):
        name = recorded.get(selection_id)
        if name is not None and name not in holder:
            names[position], holder[name] = name, position
    living = set(names)
    for position, selection in enumerate(selections):
        if position in living or selection.interface is None:
            continue
        name = names[position] = selection.interface
        if holder.setdefault(name, position) != position:
            errors[position] = _taken(selection, "interface", name, selections[holder[name]])
    free = (name for name in _AUTOMATIC if name not in holder)
    for position, selection in enumerate(selections):
        if position not in names:
            names[position] = next(free, "")
            if not names[position]:
                errors[position] = _exhausted(selection)
    _check_macs(selections, living, errors)
    return tuple(
        Named(
            selection=selection,
            selection_id=selection_ids[position],
            ifname=names[position],
            error=errors.get(position),
        )
        for position, selection in enumerate(selections)
    )


def _selection_ids(selections: Sequence[Selection]) -> list[SelectionId]:
    seen: Counter[tuple[NetworkRef, str]] = Counter()
    found = []
    for selection in selections:
        kind = (selection.network, selection.interface or "")
        found.append(SelectionId(network=kind[0], interface=kind[1], ordinal=seen[kind]))
        seen[kind] += 1
    return found


def _check_macs(selections: Sequence[Selection], living: set[int], errors: dict[int, SecnetError]) -> None:
    holder: dict[str, int] = {}
    for position in sorted(range(len(selections)), key=lambda position: (position not in living, position)):
        selection = selections[position]
        if selection.mac is None or position in errors:
            continue
        if holder.setdefault(selection.mac, position) != position:
            errors[position] = _taken(selection, "mac", selection.mac, selections[holder[selection.mac]])


def _taken(selection: Selection, key: str, value: str, first: Selection) -> Conflict:
    return Conflict(
        f"{key} {value} is already used by the Pod's network {first.network} ($[{first.index}])",
        hint=f"ask for another {key}, or leave it out to get one",
        subject=f"annotation {NETWORKS_ANNOTATION}",
        path=f"$[{selection.index}].{key}",
    )


def _exhausted(selection: Selection) -> Conflict:
    return Conflict(
        f"no interface name from {_AUTOMATIC[0]} to {_AUTOMATIC[-1]} is left",
        hint="ask for an interface name of your own, or for fewer networks",
        subject=f"annotation {NETWORKS_ANNOTATION}",
        path=f"$[{selection.index}]",
    )


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
        common=config.common,
    )


def _refuse_unsupported(selection: Selection, config: NetworkConfig, registry: Registry) -> None:
    """Nothing that was asked for is silently dropped: what neither driver nor backend honours fails this network."""
    driver = registry.drivers[config.network_type].info.capabilities
    backend = registry.backends[config.ipam_type].info.capabilities if config.ipam_type else frozenset()
    type_text = f"network type {config.network_type}"
    ipam_text = f"IPAM type {config.ipam_type}" if config.ipam_type else "a network without ipam"
    asked = (
        ("mac", selection.mac, "mac" in driver, type_text),
        ("mtu (of the NAD)", config.mtu, "mtu" in driver, type_text),
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
    return not same or old_ipam != new_ipam or old_resource != work.resource
