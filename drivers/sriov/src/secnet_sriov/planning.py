"""From a request to a plan: find the device, refuse what cannot be, and capture what the device is before any change."""

from __future__ import annotations

from typing import Any

from secnet.contract import (
    Attachment,
    AttachmentId,
    AttachRequest,
    Busy,
    Call,
    InvalidConfig,
    NotReady,
    Unsupported,
)
from secnet.linux import netns
from secnet.linux.functions import AUXILIARY, Function
from secnet.linux.rtnl import Link, Rtnl, host_rtnl, pod_rtnl

from . import representor
from .attributes import NO_MAC, prior_of
from .hostuse import require_no_port, require_unused
from .mark import parse_mark
from .netdev import on_host, require_free_name
from .rdma import rdma_of
from .settings import network_of, require_options, require_uplink
from .store import Holding
from .tools import Tools, is_known, is_userspace, under_card

__all__ = ["function_for", "make_plan", "require_free"]

_KINDS = {"sriov-vf": "pci", "sriov-sf": AUXILIARY}


def make_plan(tools: Tools, request: AttachRequest, call: Call) -> Attachment:
    """The plan; nothing is changed."""
    function = function_for(tools, request)
    held = require_free(tools, function.id, request.key)
    userspace = is_userspace(function)
    if userspace and not call.awaited:
        raise Unsupported(
            f"the device is bound to {function.driver}, and containers do not wait for their networks here: a program would "
            "take it before it is set up",
            hint="install the CNI plugin secnet-cni (deploy/components/sync), or bind the device to its network driver",
            subject=f"device {function.id}",
        )
    names = representor.plan_port(tools.card, tools.ovs, tools.host, request, function, call)
    with host_rtnl() as kernel:
        link = None if userspace else _usable(tools, kernel, function, request.key, held)
        require_options(request, function, link)
        prior = _prior(tools, kernel, function, link, held)
        require_uplink(tools.card, kernel, function, request, prior, request.options.get("vlan", 0))
        if is_known(prior):  # else the representor has our settings too
            prior = {**representor.prior_of(kernel, names), **prior}
    if link is not None:
        with pod_rtnl(request.netns) as (_, pod):
            require_free_name(pod, request)
    return Attachment(
        request=request,
        names={"device": function.id, **names},
        prior=prior,
        state={
            "bus": function.bus,
            "pf": function.parent,
            "number": function.number,
            "userspace": userspace,
            "rdma": rdma_of(function),
        },
        mac=request.mac or _mac(link, prior, held),
        mtu=None if link is None else request.mtu or prior.get("mtu") or link.mtu,
    )


def function_for(tools: Tools, request: AttachRequest) -> Function:
    """The device of the request, of the kind that the network type takes."""
    if request.device is None:
        raise InvalidConfig(
            "no device was allocated for this network",
            hint="name the resource in the annotation k8s.v1.cni.cncf.io/resourceName and request it in the Pod",
            subject=network_of(request),
        )
    device = request.device.id
    function = tools.card.functions.get(device)
    if function is None:
        raise NotReady(
            "the device is not on this host",
            hint="it is tried again; make the virtual functions or subfunctions, and restart the device plugin",
            subject=f"device {device}",
        )
    wanted = _KINDS.get(request.network_type, function.bus)
    if function.bus != wanted:
        raise Unsupported(
            f"the device {device} is no {'virtual function' if wanted == 'pci' else 'subfunction'}",
            hint="use network type sriov, which takes both, or another resourceName",
            subject=network_of(request),
            path="$.networkType",
        )
    if not tools.card.functions.is_network(device):
        raise Unsupported(
            f"the device {device} is no network device",
            hint="correct the resourceName, or the device plugin's selectors: PCI devices of class 02 are network devices",
            subject=f"device {device}",
        )
    if function.enabled:
        raise Unsupported(
            f"the device {device} is a physical function with {function.enabled} virtual ones",
            hint="let the device plugin offer the virtual functions",
            subject=f"device {device}",
        )
    return function


def require_free(tools: Tools, device: str, key: AttachmentId) -> Holding | None:
    """The holding to take the prior state from, if there is one: our own, or one whose Pod is gone. Else raises Busy."""
    holding = tools.store.read(device)
    if holding is None or holding.of(tools.host.owner_tag, key):
        return holding
    if netns.alive(holding.attachment.request.netns):
        raise Busy(
            f"the device belongs to {holding.attachment.key}, whose network namespace is alive",
            hint="it is tried again once that interface is removed",
            subject=f"device {device}",
        )
    return holding


def _usable(tools: Tools, kernel: Rtnl, function: Function, key: AttachmentId, held: Holding | None) -> Link:
    """The device's link, without another user."""
    subject = f"device {function.id}"
    if not function.driver:
        raise NotReady("no driver is bound to the device", hint="it is tried again; bind its driver", subject=subject)
    link = on_host(tools.card, kernel, function.id)
    require_no_port(link, subject)
    marked = parse_mark(link.alias)
    if marked and held is None and marked[:2] != (tools.host.owner_tag, key):
        raise Busy(
            f"the device still has the mark of {marked[1]}, and no record of it is left",
            hint="it is restored first, which the agent does by itself",
            subject=subject,
        )
    if held is None and not marked:  # else it was unused when it was taken
        require_unused(kernel, link, subject)
    return link


def _prior(tools: Tools, kernel: Rtnl, function: Function, link: Link | None, held: Holding | None) -> dict[str, Any]:
    """What the device was before its holder took it, or else is now."""
    if held is None:
        return _capture(tools, kernel, function, link)
    kept = dict(held.attachment.prior)
    if kept.get("driver") in (None, function.driver):
        return kept
    # The host bound it to another driver since: of what it was, only what the physical function keeps is true still.
    return _capture(tools, kernel, function, link) | {name: kept[name] for name in ("vf",) if name in kept}


def _capture(tools: Tools, kernel: Rtnl, function: Function, link: Link | None) -> dict[str, Any]:
    """The state of the device; nothing where it has our own settings, which must not be restored."""
    if link is not None and parse_mark(link.alias):
        return {}
    prior: dict[str, Any] = {"driver": function.driver}
    if link is not None:
        prior |= {"name": link.name, "alias": link.alias, "mac": link.mac, "mtu": link.mtu, "up": link.up}
        if link.altnames:
            prior["altnames"] = list(link.altnames)
    if under_card(function) and tools.card.can_configure(kernel, function):
        prior["vf"] = prior_of(tools.card.vf(kernel, function))
    return prior


def _mac(link: Link | None, prior: dict[str, Any], held: Holding | None) -> str | None:
    """The device's own address; that of the physical function's word where it has no link."""
    if link is not None:
        return prior.get("mac", link.mac) if held else link.mac
    configured = prior.get("vf", {}).get("mac", [None])[0]
    return None if configured == NO_MAC else configured
