"""`secnet devices`: the functions of this node's network cards, and which Pod has which."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from secnet.contract import SecnetError
from secnet.linux.functions import AUXILIARY, Function, Functions

from ..devices import all_devices
from ..journal import Journal, Record
from .common import add_config_options, add_json_option, load_all, print_data, print_table

__all__ = ["Given", "add_parser", "run", "show"]

_HEADER = ("DEVICE", "KIND", "PF", "NUMBER", "DRIVER", "LINK", "RESOURCE", "POD", "INTERFACE", "NETWORK", "BEFORE")
_EMPTY = "no network card of this node can have virtual functions, and there are no subfunctions; see docs/sriov.md"
_NOTHING: Mapping[str, Given] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The kubelet's word: the Pod that a device was given to, and as what."""

    pod: str
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One device: what is on the bus, the record that has it, and what the kubelet says. Each of them may be missing."""

    id: str
    function: Function | None
    record: Record | None
    given: Given | None = None

    @property
    def kind(self) -> str:
        if self.function is None:
            return "gone"
        if self.function.bus == AUXILIARY:
            return "SF"
        return "VF" if self.function.parent else "PF"

    @property
    def link(self) -> str:
        """The link's name on the host, or the interface's in the Pod, where the host does not see it."""
        return self.function.netdevs[0] if self.function is not None and self.function.netdevs else ""

    @property
    def before(self) -> str:
        """Whether what the device was is known, to be restored when the Pod gives it back."""
        return "" if self.record is None else "saved" if self.record.attachment.prior else "unknown"


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "devices",
        help="show the functions of network cards, and which Pod has which",
        description="Show this node's physical functions (PF) that can have virtual ones, virtual functions (VF) and "
        "subfunctions (SF): where they belong, their driver and link, and the Pod, interface and network that has them. "
        "A device with a Pod and no interface was given to it by the kubelet and is in no network of ours. BEFORE says "
        "whether it is saved what a device was before a Pod got it. Reads /sys and the run directory; works beside a "
        "running agent and without one.",
        epilog="exit status: 0; 1 a Pod has a device that is gone from this node.",
    )
    add_json_option(parser)
    add_config_options(parser, state_dir=False)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print a row for each device."""
    _, settings = load_all(arguments)
    given = {} if settings.kubernetes is None else _given(settings.pod_resources)
    return show(Functions(), Journal.peek(settings.run_dir / "journal"), given, as_json=arguments.json)


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
    functions: Functions, records: tuple[Record, ...], given: Mapping[str, Given] = _NOTHING, *, as_json: bool
) -> int:
    """Print the devices of a node with these records; the exit status. given: by device."""
    rows = [replace(row, given=given.get(row.id)) for row in _rows(functions, records)]
    if as_json:
        print_data([_data(row) for row in rows], "json")
    else:
        print_table(_HEADER, map(_cells, rows), empty=_EMPTY)
    return int(any(row.function is None for row in rows))


def _rows(functions: Functions, records: tuple[Record, ...]) -> Iterator[_Row]:
    """Each physical function with its functions behind it; then the rest, and what records have that is not there."""
    held = {r.attachment.request.device.id: r for r in records if r.attachment.request.device is not None}
    present = {function.id: function for function in functions.all()}
    for device in held.keys() - present.keys():
        if (function := functions.get(device)) is not None:
            present[device] = function
    ordered = sorted(present.values(), key=_place)
    yield from (_Row(id=each.id, function=each, record=held.get(each.id)) for each in ordered)
    yield from (_Row(id=each, function=None, record=held[each]) for each in sorted(held.keys() - present.keys()))


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
    """The record says more than the kubelet; a device that a CNI caller handed over has its resource from the kubelet alone."""
    pod, resource = (row.given.pod, row.given.resource) if row.given else ("", "")
    if row.record is None:
        return {"resource": resource, "pod": pod, "interface": "", "network": ""}
    request = row.record.attachment.request
    return {
        "resource": (request.device.resource if request.device else "") or resource,
        "pod": str(row.record.pod) if row.record.pod else pod or request.container_id,
        "interface": request.ifname,
        "network": str(request.network),
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
    if row.record is not None:
        holder |= {"phase": str(row.record.phase), "before": row.before}
    return {"device": row.id, **on_bus, "holder": holder if holder["pod"] else None}
