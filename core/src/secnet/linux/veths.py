"""The veth pair of an attachment, from plan to inventory: for drivers that join the Pod's interface to something on the host.

    class WireDriver(NetworkDriver):
        def __init__(self, host):
            super().__init__(host)
            self._veths = VethPairs(host, "wire", prefix="wi")

        def plan(self, request, call):
            return self._veths.plan(request, mtu=request.mtu or 1500)

        def attach(self, attachment, call):
            return self._veths.make(attachment, call).result()

        def check(self, attachment, call):
            return self._veths.check(attachment).report()

        def detach(self, attachment, call):
            self._veths.remove(attachment, call)

Each change is one `call.step`: `veth.create`, `veth.rename`, `veth.silence`, `veth.mtu`, `veth.up`, `veth.delete`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from secnet.contract import (
    Attachment,
    AttachmentId,
    AttachRequest,
    AttachResult,
    Call,
    CheckReport,
    Conflict,
    Finding,
    ForeignObject,
    HostContext,
    HostInterface,
    Inventory,
    Owned,
    VerifyFailed,
)

from .link import Link
from .names import LINK_GROUP, alias_for, host_ifname, mac_for, parse_alias
from .ownership import ifname_taken, is_marked, rebuilt, require_clean, silence, use_in_pod
from .rtnl import Rtnl, host_rtnl, pod_rtnl
from .vethends import KIND, are_joined, differences, pod_end_of, renamed_end

__all__ = ["VethCheck", "VethPair", "VethPairs"]

DEFAULT_MTU = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class VethPair:
    """Both ends of a pair as they read back after `VethPairs.make`. created: they were not there before."""

    host: Link
    pod: Link
    created: bool = field(default=True, compare=False)

    def result(self, **details: Any) -> AttachResult:
        """What `attach` returns. details: facts for people, such as `bridge="br0"`."""
        end = HostInterface(name=self.host.name, mac=self.host.mac, mtu=self.host.mtu)
        return AttachResult(mac=self.pod.mac, mtu=self.pod.mtu, host_interfaces=(end,), details=details)


@dataclass(frozen=True, slots=True, kw_only=True)
class VethCheck:
    """What is there of a pair, and how it differs from the plan.

    host: None if the host has no end of ours. pod: the other end in the Pod under whatever name, None if it is not there.
    in_use: see `CheckReport`; then name, MAC and MTU of the Pod's end are not compared.
    """

    host: Link | None
    pod: Link | None
    findings: tuple[Finding, ...]
    in_use: str

    def report(self, *others: Finding) -> CheckReport:
        """What `check` returns. others: what the driver found beside the pair."""
        return CheckReport(findings=(*self.findings, *others), in_use=self.in_use)


class VethPairs:
    """The pairs of one driver on one host. Keeps no state: threads may share it, and a new process finds what an old one made.

    The host's end has the name `names["host"]` of the plan, a hash of the key behind the prefix, and the mark
    `OWNER_TAG:CONTAINER_ID/IFNAME` as its alias. A link that has the name and not the mark is foreign: never touched.
    """

    def __init__(self, host: HostContext, network_type: str, *, prefix: str) -> None:
        """prefix: 1 to 5 characters that no other driver of the host uses; it distinguishes the links of this one."""
        self._host = host
        self._type = network_type
        self._prefix = prefix

    def plan(
        self,
        request: AttachRequest,
        *,
        mtu: int,
        names: Mapping[str, str] | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> Attachment:
        """The plan: the host end's name, the MAC asked for or one that follows from the key, and the MTU. Changes nothing.

        names, state: what the driver adds to those of the plan. Raises Conflict if the host or the Pod has a foreign link of
        the name, Gone without the Pod's namespace.
        """
        attachment = Attachment(
            request=request,
            names={"host": host_ifname(request.key, self._prefix), **(names or {})},
            state=state or {},
            mac=request.mac or mac_for(request.key),
            mtu=mtu,
        )
        with pod_rtnl(request.netns) as (_, pod), host_rtnl() as kernel:
            link, inside = self._find(kernel, attachment), pod.link(request.ifname)
        if inside is not None and not are_joined(link, inside):
            raise ifname_taken(request, inside.name)
        return attachment

    def is_ours(self, link: Link, key: AttachmentId) -> bool:
        """Whether a link found under the name of the pair was made for this attachment."""
        return is_marked(link, KIND, self._alias(key))

    def _alias(self, key: AttachmentId) -> str:
        return alias_for(self._host.owner_tag, key)

    def _find(self, kernel: Rtnl, attachment: Attachment) -> Link | None:
        """The host's end, None if there is none. Raises Conflict if something else has its name."""
        name = attachment.names["host"]
        link = kernel.link(name)
        if link is not None and not self.is_ours(link, attachment.key):
            raise Conflict(
                f"the host has a link {name} that was not made for this interface",
                hint=f"inspect it with `ip -d link show {name}`, and remove it if nothing uses it",
                subject=f"link {name}",
            )
        return link

    def _renamed(self, kernel: Rtnl, pod: Rtnl, attachment: Attachment) -> Link | None:
        """The host's end under a name that someone gave it; not one that another driver made for the same interface."""
        key = attachment.key
        link = renamed_end(kernel, pod, self._alias(key))
        if link is None or any(link.name == host_ifname(key, link.name[:length]) for length in range(1, 6)):
            return None
        return link

    def make(self, attachment: Attachment, call: Call, *, first: Callable[[], object] | None = None) -> VethPair:
        """Make the pair, or finish what is there of it; what is there and right is left alone.

        Afterwards the Pod's end of a new pair has its name, MAC and MTU and is down; the host's end is silent, marked and up.
        What the Pod did to its end of a pair that is there already stays, for `check` to report. A pair of ours that has no end
        in the Pod (its sandbox is gone) is removed for the new one.
        first: called before a pair is created, so not where it stands already: for removing what would serve the old link.
        Raises Conflict for a foreign link of either name, VerifyFailed if the pair does not read back as planned, Gone without
        the Pod's namespace, Timeout or Cancelled before it creates a pair that no caller waits for.
        """
        request = attachment.request
        with pod_rtnl(request.netns) as (fd, pod), host_rtnl() as kernel:
            link = self._find(kernel, attachment) or self._renamed(kernel, pod, attachment)
            stood = link is not None and pod_end_of(pod, link) is not None
            if link is None or not stood:
                call.checkpoint()
                if first is not None:
                    first()
                link = _create(kernel, attachment, link, fd, call)
            host_end = self._finish(kernel, attachment, link, call)
            pod_end = pod_end_of(pod, host_end)
            found = differences(attachment, host_end, pod_end, in_use="")
        require_clean((f for f in found if not (stood and f.in_pod)), f"link {host_end.name}")
        assert pod_end is not None  # else there was a finding
        return VethPair(host=host_end, pod=pod_end, created=not stood)

    def _finish(self, kernel: Rtnl, attachment: Attachment, link: Link, call: Call) -> Link:
        link, alias = _named(kernel, attachment, link, call), self._alias(attachment.key)
        silence(link.name, "veth.silence", self._host, call)
        mtu = attachment.mtu or DEFAULT_MTU
        if link.mtu != mtu:
            with call.step("veth.mtu", host=link.name, mtu=mtu):
                kernel.set_link(link.index, mtu=mtu)
        if link.alias != alias or not link.up:
            # One message: the kernel sets the alias first, and until then the group marks the link (see `is_marked`).
            with call.step("veth.up", host=link.name, alias=alias):
                kernel.set_link(link.index, alias=alias, up=True)
        made = kernel.link_by_index(link.index)
        if made is None or not made.up or made.alias != alias:
            message = "the link does not read back as set"
            raise VerifyFailed(message, hint="it is tried again", subject=f"link {link.name}")
        return made

    def check(self, attachment: Attachment) -> VethCheck:
        """Compare the pair with the plan. Whether the Pod's end is up is the core's to check. Raises Gone without the netns."""
        request = attachment.request
        with pod_rtnl(request.netns) as (_, pod), host_rtnl() as kernel:
            link = kernel.link(attachment.names["host"])
            if link is None:
                link = self._renamed(kernel, pod, attachment)
            host_end = link if link is not None and self.is_ours(link, attachment.key) else None
            pod_end = pod_end_of(pod, host_end)
            in_use = use_in_pod(pod, pod_end, request.ifname) if pod_end is not None else ""
        findings = tuple(differences(attachment, host_end, pod_end, in_use=in_use))
        return VethCheck(host=host_end, pod=pod_end, findings=findings, in_use=in_use)

    def remove(self, attachment: Attachment, call: Call) -> None:
        """Remove the pair by its host's end, which is here even when the Pod's namespace is not; a foreign link stays.

        Nothing there is success. Needs `names["host"]` alone, so that what `inventory` rebuilt can be removed.
        """
        with host_rtnl() as kernel:
            link = kernel.link(attachment.names["host"])
            if link is None:
                return
            if self.is_ours(link, attachment.key):
                _delete(kernel, link, call)
            else:
                call.log.warning("the link %s is not ours and stays", link.name)

    def inventory(
        self, links: Iterable[Link] | None = None, *, whole: Callable[[Link], bool] = lambda link: True
    ) -> Inventory:
        """The pairs of this driver, rebuilt from the host's ends alone: name and MTU, but neither network nor netns.

        links: those to check; None takes all. whole: whether the driver's own part (such as the port that the link is) is
        there; an end that is down is never complete.
        A link without an alias names no attachment: its maker died right after it was created. It is reported as foreign.
        """
        if links is None:
            with host_rtnl() as kernel:
                links = kernel.links(group=LINK_GROUP)
        owned: list[Owned] = []
        foreign: list[ForeignObject] = []
        for link in links:
            key = self._key_of(link)
            if key is not None:
                attachment = rebuilt(key, self._type, {"host": link.name}, mtu=link.mtu)
                owned.append(Owned(attachment=attachment, complete=link.up and whole(link)))
            elif link.kind == KIND and not link.alias and link.name.startswith(self._prefix):
                foreign.append(_half_made(link))
        return Inventory(owned=tuple(owned), foreign=tuple(foreign))

    def _key_of(self, link: Link) -> AttachmentId | None:
        """Drivers share the tag and the group, and each has a prefix of its own: another one's link is none of this one's."""
        marked = parse_alias(link.alias) if link.kind == KIND else None
        if marked is None or marked[0] != self._host.owner_tag or link.name != host_ifname(marked[1], self._prefix):
            return None
        return marked[1]


def _named(kernel: Rtnl, attachment: Attachment, link: Link, call: Call) -> Link:
    """The host's end under its own name, by which its port and everyone else know it."""
    name = attachment.names["host"]
    if link.name == name:
        return link
    with call.step("veth.rename", link=link.name, to=name):
        kernel.set_link(link.index, up=False)  # before Linux 6.3 no link that is up could be renamed
        kernel.set_link(link.index, name=name)
    return kernel.link_by_index(link.index) or link


def _create(kernel: Rtnl, attachment: Attachment, left: Link | None, netns_fd: int, call: Call) -> Link:
    if left is not None:
        _delete(kernel, left, call)  # of a sandbox that is gone, or never finished
    name, ifname, mtu = attachment.names["host"], attachment.request.ifname, attachment.mtu or DEFAULT_MTU
    with call.step("veth.create", host=name, interface=ifname, mac=attachment.mac, mtu=mtu):
        return kernel.create_veth(name, ifname, netns_fd, attachment.mac, mtu)


def _delete(kernel: Rtnl, link: Link, call: Call) -> None:
    with call.step("veth.delete", host=link.name):
        kernel.delete_link(link.index)


def _half_made(link: Link) -> ForeignObject:
    return ForeignObject(
        kind="link",
        name=link.name,
        message=f"a half-made link of a secnet agent, which names no interface; remove it with `ip link del {link.name}` "
        "if no attach is running",
    )
