"""`secnet devices`: the functions of this node's network cards, and which Pod has which."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from secnet.contract import Attachment, Call, InvalidConfig, SecnetError
from secnet.linux.functions import AUXILIARY, Function, Functions, bus_of

from ..attach.plugin_calls import Plugins
from ..cluster.files.store import FileStore
from ..config.settings import Settings
from ..devices import all_devices
from ..model.record import Record
from ..plugins.registry import Registry
from ..state.journal import Journal
from ._common import add_config_options, add_json_option, load_all, print_data, print_table

__all__ = ["Given", "add_parser", "run", "show"]

_HEADER = ("DEVICE", "KIND", "PF", "NUMBER", "DRIVER", "LINK", "RESOURCE", "POD", "INTERFACE", "NETWORK", "BEFORE")
_EMPTY = "no network card of this node can have virtual functions, and there are no subfunctions; see docs/sriov.md"
_NOTHING: Mapping[str, Given] = MappingProxyType({})
_INVENTORY_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The kubelet's word: the Pod that a device was given to, and as what."""

    pod: str
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One device: what is on the bus, the record that has it, what its driver and the kubelet say. Each may be missing."""

    id: str
    function: Function | None
    record: Record | None = None
    held: Attachment | None = None
    given: Given | None = None

    @property
    def kind(self) -> str:
        if self.function is None:
            return "gone" if _has_bus(self.id) else "other"
        if self.function.bus == AUXILIARY:
            return "SF"
        if self.function.parent:
            return "VF"
        return "PF" if self.function.total else "function"  # of one that a virtual machine got the kind is unknown

    @property
    def link(self) -> str:
        """The link's name on the host, or the interface's in the Pod, where the host does not see it."""
        return self.function.netdevs[0] if self.function is not None and self.function.netdevs else ""

    @property
    def attachment(self) -> Attachment | None:
        """What has the device, by the record or, where that is lost, by the driver's word."""
        return self.record.attachment if self.record is not None else self.held

    @property
    def before(self) -> str:
        """Whether what the device was is known, to be restored when the Pod gives it back."""
        words = [self.record.attachment] if self.record is not None else []
        words += [self.held] if self.held is not None else []
        return "" if not words else "saved" if any(each.prior for each in words) else "unknown"


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "devices",
        help="show the functions of network cards, and which Pod has which",
        description="Show this node's physical functions (PF) that can have virtual ones, virtual functions (VF) and "
        "subfunctions (SF): where they belong, their driver and link, and the Pod, interface and network that has them. "
        "In a virtual machine, which sees no physical function, those that a Pod has. "
        "A device with a Pod and no interface was given to it by the kubelet and is in no network of ours. BEFORE says "
        "whether it is saved what a device was before a Pod got it. Reads /sys and the run directory, and asks the kubelet "
        "and the drivers that need devices what they hold; works beside a running agent and without one.",
        epilog="exit status: 0; 1 a Pod has a device that is gone from this node.",
    )
    add_json_option(parser)
    add_config_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print a row for each device."""
    registry, settings = load_all(arguments)
    given = {} if settings.kubernetes is None else _given(settings.pod_resources)
    records, held = Journal.peek(settings.run_dir / "journal"), held_devices(registry, settings)
    return show(Functions(), records, given, held, as_json=arguments.json)


def held_devices(registry: Registry, settings: Settings) -> tuple[Attachment, ...]:
    """What the drivers hold by their own files, which outlive the records; one that cannot say it is named on stderr."""
    plugins = Plugins(
        registry, settings, FileStore(settings.state_dir)
    )  # the store is for IPAM backends, and none is asked
    found: list[Attachment] = []
    try:
        for network_type, plugin in sorted(registry.drivers.items()):
            if not plugin.info.needs_device:
                continue
            try:
                inventory = plugins.driver(network_type).inventory(Call.within(_INVENTORY_SECONDS))
            except SecnetError as exc:
                print(f"secnet: what network type {network_type} holds is left out: {exc}", file=sys.stderr)
            else:
                found += [owned.attachment for owned in inventory.owned]
    finally:
        plugins.close()
    return tuple(found)


def _given(socket: Path) -> dict[str, Given]:
    """What the kubelet gave, by device; nothing, and said on stderr, where it does not answer."""
    try:
        pods = all_devices(socket)
    except SecnetError as exc:
        print(f"secnet: the kubelet's devices are left out: {exc}", file=sys.stderr)
        return {}
    return {
        device: Given(pod=pod, resource=resource)
        for pod, devices in pods
        for resource, ids in devices.items()
        for device in ids
    }


def show(
    functions: Functions,
    records: tuple[Record, ...],
    given: Mapping[str, Given] = _NOTHING,
    held: Iterable[Attachment] = (),
    *,
    as_json: bool,
) -> int:
    """Print the devices of a node with these records; the exit status. given: by device. held: by the drivers' word."""
    rows = list(_rows(functions, _by_device(records), {_device(each): each for each in held}, given))
    if as_json:
        print_data([_data(row) for row in rows], "json")
    else:
        print_table(_HEADER, map(_cells, rows), empty=_EMPTY)
    return int(any(row.kind == "gone" for row in rows))


def _rows(
    functions: Functions, records: Mapping[str, Record], held: Mapping[str, Attachment], given: Mapping[str, Given]
) -> Iterator[_Row]:
    """Each physical function with its functions behind it; then the rest, and what an attachment has that is not there.

    In a virtual machine no physical function is to be seen: what a Pod has or was given stands for itself.
    """
    present = {function.id: function for function in functions.all()}
    had = {*records, *held} - {""}
    for device in (had | {*given}) - present.keys():
        function = functions.get(device) if device in had and _has_bus(device) else functions.of_card(device)
        if function is not None:
            present[device] = function
    ordered = [each.id for each in sorted(present.values(), key=_place)]
    for each in (*ordered, *sorted(had - present.keys())):
        yield _Row(
            id=each,
            function=present.get(each),
            record=records.get(each),
            held=held.get(each),
            given=given.get(each),
        )


def _by_device(records: Iterable[Record]) -> dict[str, Record]:
    return {_device(record.attachment): record for record in records}


def _device(attachment: Attachment) -> str:
    device = attachment.request.device
    return "" if device is None else device.id


def _has_bus(device: str) -> bool:
    """Whether this is an id of a PCI or auxiliary device, which sysfs shows; a driver may have ids of another kind."""
    try:
        bus_of(device)
    except InvalidConfig:
        return False
    return True


def _place(function: Function) -> tuple[str, bool, str, int, str]:
    return (function.parent or function.id, bool(function.parent), function.bus, function.number or 0, function.id)


def _cells(row: _Row) -> tuple[Any, ...]:
    function = row.function
    number = None if function is None else function.number
    if function is not None and row.kind == "PF":
        number_text: str | int | None = f"{function.enabled} of {function.total}"
    else:
        number_text = number
    return (
        row.id,
        row.kind,
        function.parent if function else "",
        number_text,
        function.driver if function else "",
        row.link,
        *_holder(row).values(),
        row.before,
    )


def _holder(row: _Row) -> Mapping[str, str]:
    """Record and driver say more than the kubelet; of what a CNI caller handed over it alone knows the resource."""
    pod, resource = (row.given.pod, row.given.resource) if row.given else ("", "")
    if row.attachment is None:
        return {"resource": resource, "pod": pod, "interface": "", "network": ""}
    request = row.attachment.request
    return {
        "resource": (request.device.resource if request.device else "") or resource,
        "pod": str(request.pod) if request.pod else pod or request.container_id,
        "interface": request.ifname,
        "network": str(request.network) if request.network.name else "",
    }


def _data(row: _Row) -> dict[str, Any]:
    function = row.function
    on_bus: dict[str, Any] = {"kind": row.kind}
    if function is not None:
        on_bus |= {
            "bus": function.bus,
            "parent": function.parent,
            "number": function.number,
            "driver": function.driver,
            "links": list(function.netdevs),
            "totalFunctions": function.total,
            "enabledFunctions": function.enabled,
            "iommuGroup": function.iommu_group,
            "rdma": list(function.rdma),
        }
    holder: dict[str, Any] = dict(_holder(row))
    if row.attachment is not None:
        phase = str(row.record.phase) if row.record is not None else "Unrecorded"
        holder |= {"phase": phase, "before": row.before}
    return {"device": row.id, **on_bus, "holder": holder if holder["pod"] else None}
