"""The link of an attachment that sits on a link of the host, its master: macvlan, ipvlan and their like.

It is made in the Pod's namespace from its first moment, by one message, and dies with it: nothing of it can be left on the host.

    class MacvlanDriver(NetworkDriver):
        def __init__(self, host):
            super().__init__(host)
            self._links = MasterLinks(host, "macvlan", never_on=("macvlan", "macvtap"))

        def plan(self, request, call):
            return self._links.plan(request, self._links.master(request))

        def attach(self, attachment, call):
            link = self._links.make(attachment, call, data=[("IFLA_MACVLAN_MODE", "bridge")])
            return AttachResult(mac=link.mac, mtu=link.mtu)

Each change is one `call.step`: the kind, then `.create`, `.mark` or `.delete`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from secnet.contract import (
    WRONG_MAC,
    WRONG_MTU,
    Attachment,
    AttachRequest,
    Busy,
    Call,
    Conflict,
    Finding,
    Gone,
    HostContext,
    InvalidConfig,
    NotReady,
    Unsupported,
    VerifyFailed,
)

from .link import Link
from .names import LINK_GROUP, alias_for, mac_for
from .ownership import ifname_taken, require_clean, use_in_pod
from .rtnl import Rtnl, host_rtnl, pod_rtnl

__all__ = ["MasterLink", "MasterLinks"]

_IFF_LOOPBACK = 0x8
_ETHERNET_MAC = len("00:00:00:00:00:00")


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterLink:
    """What `MasterLinks.read` found.

    link: the attachment's own under whatever name, None without it. foreign: there is none, and another link has its name.
    in_use: see `CheckReport`.
    master: the host's link that the plan was made with. successor: what has that one's name now.
    """

    link: Link | None
    foreign: bool
    master: Link | None
    successor: Link | None
    in_use: str = ""


class MasterLinks:
    """The links of one kind that one driver makes on one host. Keeps no state: threads may share it.

    A plan holds the master by name for people (`names["master"]`) and by index for the kernel (`state["master_index"]`), as a
    renamed link keeps its index. The mark is the alias `OWNER_TAG:CONTAINER_ID/IFNAME`, which stays with a renamed link.
    """

    def __init__(self, host: HostContext, kind: str, *, never_on: Collection[str] = ()) -> None:
        """kind: as the kernel names it, such as `macvlan`. never_on: kinds of links that cannot be the master."""
        self._host = host
        self._kind = kind
        self._never_on = never_on

    def master(self, request: AttachRequest, option: str = "master") -> Link:
        """The link of the host that an option names.

        Raises NotReady while it is missing, Busy while it is a port of another link, Unsupported if it can carry none.
        """
        name = str(request.options[option])
        with host_rtnl() as kernel:
            link = kernel.link(name)
            above = kernel.link_by_index(link.master) if link is not None and link.master else None
        if link is None:
            raise NotReady(
                f"the host has no link {name}",
                hint=f"it is tried again; plug it in or make it, or correct {option} in the NetworkAttachmentDefinition",
                subject=f"link {name}",
            )
        if link.flags & _IFF_LOOPBACK or len(link.mac) != _ETHERNET_MAC:
            raise self._unsupported(request, option, "is no Ethernet device", "choose a master that is one")
        if link.kind in self._never_on:
            raise self._unsupported(request, option, f"is a {link.kind} itself", "choose the device below it as master")
        if (
            above is not None and above.kind != "vrf"
        ):  # of those that take a link over, only a VRF leaves its frames alone
            raise Busy(
                f"{name} is a port of {above.name}, which takes all its frames",
                hint=f"choose {above.name} as master, or take {name} out of it; it is tried again",
                subject=f"link {name}",
            )
        return link

    def _unsupported(self, request: AttachRequest, option: str, what: str, hint: str) -> Unsupported:
        return Unsupported(
            f"{request.options[option]} {what} and carries no {self._kind}",
            hint=hint,
            subject=f"NetworkAttachmentDefinition {request.network}",
            path=f"$.{option}",
        )

    def plan(
        self,
        request: AttachRequest,
        master: Link,
        *,
        mac: str | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> Attachment:
        """The plan: the master, the MAC, and the MTU asked for or else the master's. Changes nothing.

        mac: for a kind whose MAC is not free, such as the master's; None takes the one asked for, or one that follows from the
        key. state: what the driver adds to that of the plan.
        Raises InvalidConfig for an MTU above the master's: such frames would not leave the host; Conflict as `make` does; Gone
        without the Pod's namespace.
        """
        if request.mtu is not None and request.mtu > master.mtu:
            raise InvalidConfig(
                f"an MTU of {request.mtu} does not fit through {master.name}, whose MTU is {master.mtu}",
                hint="lower mtu, leave it out, or raise the master's MTU",
                subject=f"NetworkAttachmentDefinition {request.network}",
                path="$.mtu",
            )
        attachment = Attachment(
            request=request,
            names={"master": master.name},
            state={"master_index": master.index, **(state or {})},
            mac=mac or request.mac or mac_for(request.key),
            mtu=request.mtu or master.mtu,
        )
        with pod_rtnl(request.netns) as (_, pod):
            left = self._find(pod, attachment)
        if left is not None and left.name != request.ifname:
            raise Conflict(
                f"the Pod has renamed {request.ifname} to {left.name}",
                hint=f"rename {left.name} back, or remove it",
                subject=f"Pod {request.pod or request.container_id}",
            )
        return attachment

    def is_ours(self, link: Link, attachment: Attachment) -> bool:
        """Whether the link was made for this attachment.

        Its alias says so, whatever the link is called now. Until it has one, our link group and the planned MAC must do beside
        the name, which is the Pod's choice and proves nothing.
        """
        if link.kind != self._kind:
            return False
        if link.alias:
            return link.alias == self._alias(attachment)
        return (link.name, link.group, link.mac) == (attachment.request.ifname, LINK_GROUP, attachment.mac)

    def _alias(self, attachment: Attachment) -> str:
        return alias_for(self._host.owner_tag, attachment.key)

    def _find(self, pod: Rtnl, attachment: Attachment) -> Link | None:
        """The link under whatever name, None if there is none. Raises Conflict as `make` does."""
        links = pod.links()
        found = next((link for link in links if self.is_ours(link, attachment)), None)
        ifname = attachment.request.ifname
        holder = next((link for link in links if ifname in (link.name, *link.altnames)), None)
        if found is None and holder is not None:
            raise ifname_taken(attachment.request, holder.name)
        return found

    def make(self, attachment: Attachment, call: Call, *, data: Sequence[tuple[str, Any]] = (), **facts: Any) -> Link:
        """Make the link in the Pod's namespace, down, with its final name, MAC and MTU; mark it; read it back.

        What is there stays, for `check` to report what the Pod did to it.
        data: attributes of the kind as pyroute2 names them (see `Rtnl.create_link`). facts: for the step, such as
        `mode="bridge"`.
        Raises Conflict if the Pod has another link of the name, and `plan` if it has given ours another one.
        Raises Busy if the master takes no such link now, VerifyFailed if the link does not read back as planned, Gone without
        the Pod's namespace, Timeout or Cancelled before it creates a link that no caller waits for.
        """
        with pod_rtnl(attachment.request.netns) as (fd, pod):
            link = self._find(pod, attachment)
            stood = link is not None
            if link is None:
                call.checkpoint()
                link = self._create(attachment, fd, data, facts, call)
            alias = self._alias(attachment)
            if link.alias != alias:
                with call.step(f"{self._kind}.mark", interface=link.name, alias=alias):
                    pod.set_link(link.index, alias=alias)
            made = pod.link_by_index(link.index)
        with host_rtnl() as kernel:
            master = _master_of(kernel, attachment)
        subject = f"link {link.name}"
        if made is None or made.alias != alias:
            raise VerifyFailed("the link does not read back as set", hint="it is tried again", subject=subject)
        require_clean((f for f in _differences(attachment, made, master) if not (stood and f.in_pod)), subject)
        return made

    def _create(
        self,
        attachment: Attachment,
        netns_fd: int,
        data: Sequence[tuple[str, Any]],
        facts: Mapping[str, Any],
        call: Call,
    ) -> Link:
        ifname, master = attachment.request.ifname, attachment.names["master"]
        with host_rtnl() as kernel, call.step(f"{self._kind}.create", interface=ifname, master=master, **facts):
            below = _master_of(kernel, attachment)
            try:
                return kernel.create_link(
                    ifname,
                    self._kind,
                    netns_fd=netns_fd,
                    lower=below.index if below is not None else attachment.state["master_index"],
                    mac=attachment.mac,
                    mtu=attachment.mtu,
                    data=data,
                )
            except InvalidConfig as exc:
                # The plan has checked every value: the master changed since, or is in use, which only the kernel knows.
                desired = "".join(f" {name} {value} and" for name, value in facts.items())
                raise Busy(
                    f"{master} takes no {self._kind} of{desired} MTU {attachment.mtu} now: {exc.message}",
                    hint="it is tried again; if it stays so, another link has the master alone, as a macvlan in mode passthru",
                    subject=f"link {master}",
                ) from exc

    def read(self, attachment: Attachment) -> MasterLink:
        """What is there of the attachment, and of its master. Raises Gone without the Pod's namespace."""
        with pod_rtnl(attachment.request.netns) as (_, pod):
            links = pod.links()
            link = next((link for link in links if self.is_ours(link, attachment)), None)
            in_use = use_in_pod(pod, link, attachment.request.ifname) if link is not None else ""
        with host_rtnl() as kernel:
            master = kernel.link_by_index(attachment.state["master_index"])
            successor = kernel.link(attachment.names["master"])
        foreign = link is None and any(other.name == attachment.request.ifname for other in links)
        return MasterLink(link=link, foreign=foreign, master=master, successor=successor, in_use=in_use)

    @staticmethod
    def findings(attachment: Attachment, found: MasterLink) -> Iterator[Finding]:
        """How that differs from the plan. Whether the link is up is the core's to check."""
        ifname, master = attachment.request.ifname, attachment.names["master"]
        if found.foreign:
            message = f"the Pod's interface {ifname} is not the one that was made for it"
            yield Finding(code="LinkForeign", message=message, repairable=False)
        elif found.link is None:
            # It goes with its master, and can be made again when there is a master again.
            repairable = found.successor is not None
            yield Finding(code="LinkMissing", message=f"the Pod has no interface {ifname}", repairable=repairable)
            if not repairable:
                yield _master_missing(f"the host has no link {master} to make it on")
        else:
            replaced = found.successor is not None and found.link.lower == found.successor.index
            below = found.master or (found.successor if replaced else None)
            differences = _differences(attachment, found.link, below)
            yield from (finding for finding in differences if not (found.in_use and finding.in_pod))
            if below is None:
                # It was moved to another namespace. The interface lives on; making it again would end it.
                yield _master_missing(f"the master of {ifname}, which was {master}, is no longer on the host")

    def remove(self, attachment: Attachment, call: Call) -> None:
        """Remove the link, also under another name; a foreign one that has its name stays. Needs no master.

        Nothing there is success, and so is a namespace that is gone: the link went with it.
        """
        try:
            with pod_rtnl(attachment.request.netns) as (_, pod):
                self._remove(pod, attachment, call)
        except Gone:
            return

    def _remove(self, pod: Rtnl, attachment: Attachment, call: Call) -> None:
        for link in pod.links():
            if self.is_ours(link, attachment):
                with call.step(f"{self._kind}.delete", interface=link.name):
                    pod.delete_link(link.index)
            elif link.name == attachment.request.ifname:
                call.log.warning("the Pod's interface %s is not ours and stays", link.name)


def _master_of(kernel: Rtnl, attachment: Attachment) -> Link | None:
    """The link that the plan was made with; where it was removed, the one that has its name now."""
    return kernel.link_by_index(attachment.state["master_index"]) or kernel.link(attachment.names["master"])


def _differences(attachment: Attachment, link: Link, master: Link | None) -> Iterator[Finding]:
    """master: as it is today. With a lower MTU of its own it has taken the interface's with it, and takes no higher one."""
    index = master.index if master is not None else attachment.state["master_index"]
    if link.mac != attachment.mac:
        message = f"{link.name} has the MAC {link.mac} instead of {attachment.mac}"
        yield Finding(code=WRONG_MAC, message=message, in_pod=True)
    if link.lower != index:
        name = attachment.names["master"]
        message = f"{link.name} sits on another link than the {name} it was made on"
        yield Finding(code="WrongMaster", message=message)
    if link.mtu != attachment.mtu:
        possible = master is None or attachment.mtu is None or attachment.mtu <= master.mtu
        message = f"{link.name} has the MTU {link.mtu} instead of {attachment.mtu}"
        yield Finding(code=WRONG_MTU, message=message, repairable=possible, in_pod=True)


def _master_missing(message: str) -> Finding:
    return Finding(code="MasterMissing", message=message, repairable=False)
