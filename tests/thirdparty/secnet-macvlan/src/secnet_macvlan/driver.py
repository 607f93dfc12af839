"""The network type `macvlan`."""

from __future__ import annotations

from collections.abc import Iterator

from secnet.contract import (
    Attachment,
    AttachRequest,
    AttachResult,
    Call,
    CheckReport,
    DriverInfo,
    Finding,
    Gone,
    Inventory,
    Needs,
    NetworkDriver,
    ProbeReport,
    VerifyFailed,
    load_fragment,
)
from secnet.linux.privileges import lacking
from secnet.linux.rtnl import Link, host_rtnl, pod_rtnl

from . import link as macvlan
from .master import PASSTHRU, mac_on, mode_of, mtu_on, usable_master

__all__ = ["MacvlanDriver"]


class MacvlanDriver(NetworkDriver):
    """Gives Pods macvlan interfaces. Each call asks the kernel anew: nothing is kept, so nothing is left open."""

    @classmethod
    def describe(cls) -> DriverInfo:
        """Options `master` and `mode`; no node configuration."""
        return DriverInfo(
            network_type="macvlan",
            summary="macvlan interface on a link of the host",
            options=load_fragment("secnet_macvlan", "options.json"),
            capabilities=frozenset({"mac", "mtu"}),
            needs=Needs(privileges=("CAP_NET_ADMIN", "CAP_SYS_ADMIN"), link_kinds=("macvlan",)),
            example={"master": "eth1", "mode": "bridge"},
        )

    def probe(self) -> ProbeReport:
        """Ready with its privileges. The masters are no question of the node: each network has its own."""
        if trouble := lacking(self.host.proc_root, "CAP_NET_ADMIN", "CAP_SYS_ADMIN"):
            return ProbeReport(ready=False, message=trouble)
        return ProbeReport(ready=True)

    def lock_keys(self, request: AttachRequest) -> tuple[str, ...]:
        """Under passthru the master belongs to one interface; in the other modes it is shared."""
        return (f"macvlan:{request.options['master']}",) if mode_of(request) == PASSTHRU else ()

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        """Captures the master by name for people and by index for the kernel: a renamed link keeps its index."""
        with host_rtnl() as kernel:
            master = usable_master(kernel, request)
        attachment = Attachment(
            request=request,
            names={"master": master.name},
            state={"master_index": master.index, "mode": mode_of(request)},
            mac=mac_on(master, request),
            mtu=mtu_on(master, request),
        )
        with pod_rtnl(request.netns) as (_, pod):
            macvlan.find(pod, self.host.owner_tag, attachment)
        return attachment

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        """Two steps: the finished link, made in the Pod's namespace; then the alias that says whose it is."""
        owner_tag = self.host.owner_tag
        with pod_rtnl(attachment.request.netns) as (fd, pod):
            link = macvlan.find(pod, owner_tag, attachment) or macvlan.create(fd, attachment, call)
            made = macvlan.mark(pod, link, owner_tag, attachment, call)
        for found in macvlan.deviations(attachment, made):
            raise VerifyFailed(found.message, hint="it is tried again", subject=f"link {made.name}")
        details = {"master": attachment.names["master"], "mode": attachment.state["mode"]}
        return AttachResult(mac=made.mac, mtu=made.mtu, details=details)

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        """The Pod's interface, and that its master is still on the host. Raises Gone without netns."""
        with pod_rtnl(attachment.request.netns) as (_, pod):
            link = pod.link(attachment.request.ifname)
        with host_rtnl() as kernel:
            master = kernel.link_by_index(attachment.state["master_index"])
            successor = kernel.link(attachment.names["master"])
        return CheckReport(findings=tuple(_findings(attachment, link, self.host.owner_tag, master, successor)))

    def detach(self, attachment: Attachment, call: Call) -> None:
        """Remove the interface; without the Pod's namespace there is none, and the master is not needed for it."""
        try:
            with pod_rtnl(attachment.request.netns) as (_, pod):
                macvlan.remove(pod, self.host.owner_tag, attachment, call)
        except Gone:
            return

    def inventory(self, call: Call) -> Inventory:
        """Nothing: an interface stands in its Pod's namespace from its first moment and dies with it, so that none of it can
        be left on the host.
        """
        return Inventory()

    def close(self) -> None:
        """Nothing is held open."""


def _findings(
    attachment: Attachment, link: Link | None, owner_tag: str, master: Link | None, successor: Link | None
) -> Iterator[Finding]:
    """master: the one that was planned with. successor: what has its name today, and a new plan would take."""
    ifname, master_name = attachment.request.ifname, attachment.names["master"]
    if link is None:
        # It goes with its master, and can be made anew when there is a master again.
        yield Finding(
            code="LinkMissing", message=f"the Pod has no interface {ifname}", repairable=successor is not None
        )
        if successor is None:
            yield _master_missing(f"the host has no link {master_name} to make it on")
    elif not macvlan.is_ours(link, owner_tag, attachment):
        message = f"the Pod's interface {ifname} is not the one that was made for it"
        yield Finding(code="LinkForeign", message=message, repairable=False)
    else:
        yield from macvlan.deviations(attachment, link, master.mtu if master else None)
        if master is None:
            # It was moved to another namespace. The interface lives on; making it anew would end it.
            yield _master_missing(f"the master of {ifname}, which was {master_name}, is no longer on the host")


def _master_missing(message: str) -> Finding:
    return Finding(code="MasterMissing", message=message, repairable=False)
