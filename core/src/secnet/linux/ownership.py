"""Whose link is it? The mark of a link of ours, and what is left to do once it is found or missing.

The mark is the alias (`secnet.linux.names.alias_for`). The kernel ignores an alias in the message that creates a link but takes
the link group from it: the group covers the moment until the alias is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from secnet.contract import (
    Attachment,
    AttachmentId,
    AttachRequest,
    Call,
    Conflict,
    DeviceRef,
    Finding,
    HostContext,
    NetnsRef,
    NetworkRef,
    VerifyFailed,
)

from . import sysctl
from .link import Link
from .names import LINK_GROUP
from .rtnl import Rtnl

__all__ = ["ifname_taken", "is_marked", "rebuilt", "require_clean", "silence", "use_in_pod"]


def is_marked(link: Link, kind: str, alias: str) -> bool:
    """Whether the link is of this kind and has this alias, or none yet and our group.

    Without an alias the link must be found under a name that only its owner would give it, such as a hash of the key.
    """
    return link.kind == kind and (link.alias == alias or (not link.alias and link.group == LINK_GROUP))


def ifname_taken(request: AttachRequest, holder: str = "") -> Conflict:
    """The error for a Pod that has an interface of the requested name, made by another owner.

    holder: the name of that interface, where the requested one may be an alternative name of it.
    """
    what = f"the Pod has an interface {request.ifname} already"
    if holder not in ("", request.ifname):
        what = f"{request.ifname} is an alternative name of the Pod's interface {holder}"
    return Conflict(
        what,
        hint="ask for another interface name",
        subject=f"Pod {request.pod or request.container_id}",
    )


def use_in_pod(pod: Rtnl, link: Link, ifname: str) -> str:
    """How the Pod itself uses an interface of ours, for `CheckReport.in_use`; empty where it is as it was attached.

    The launcher of a virtual machine renames it and makes it a port of a bridge, beside the guest's tap; then the guest has its
    MAC and addresses. A name that the Pod changed alone is the same, half-way.
    """
    if link.master:
        master = pod.link_by_index(link.master)
        what = f"the {master.kind} {master.name}" if master is not None else "another link"
        return f"in use by {what} in the Pod, as {link.name}"
    return "" if link.name == ifname else f"renamed to {link.name} in the Pod"


def silence(name: str, step: str, host: HostContext, call: Call) -> None:
    """Keep the host from speaking IPv6 through a link of its own, in one step of that name; nothing to do is no step.

    Call it before the link goes up: the host would send router solicitations and multicast reports through it.
    """
    if sysctl.read(f"ipv6/conf/{name}/disable_ipv6", proc_root=host.proc_root) == "0":
        with call.step(step, host=name):
            sysctl.silence_ipv6(name, proc_root=host.proc_root)


def require_clean(findings: Iterable[Finding], subject: str) -> None:
    """Raise VerifyFailed with the first finding, if there is one: `attach` reads back what it made by what `check` uses."""
    for finding in findings:
        raise VerifyFailed(finding.message, hint="it is tried again", subject=subject)


def rebuilt(
    key: AttachmentId,
    network_type: str,
    names: Mapping[str, str],
    *,
    options: Mapping[str, Any] | None = None,
    device: DeviceRef | None = None,
    mtu: int | None = None,
) -> Attachment:
    """For `inventory`: the attachment of which nothing is left but a mark, and with it the key. Network and netns are unknown.

    names: all that `detach` of the driver needs. device: for a driver of devices.
    """
    request = AttachRequest(
        container_id=key.container_id,
        ifname=key.ifname,
        network=NetworkRef(namespace="", name=""),
        network_type=network_type,
        netns=NetnsRef(path="", device=0, inode=0),
        options=options or {},
        device=device,
    )
    return Attachment(request=request, names=names, mtu=mtu)
