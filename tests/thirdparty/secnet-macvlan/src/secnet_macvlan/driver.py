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
    HostContext,
    Inventory,
    Needs,
    NetworkDriver,
    ProbeReport,
    Unsupported,
    load_fragment,
)
from secnet.linux.masterlinks import MasterLinks
from secnet.linux.ownership import require_clean
from secnet.linux.privileges import lacking
from secnet.linux.rtnl import Link

__all__ = ["MacvlanDriver"]

PASSTHRU = "passthru"
IFLA_MACVLAN_MODE = 1  # linux/if_link.h
MODES = {1: "private", 2: "vepa", 4: "bridge", 8: PASSTHRU, 16: "source"}


class MacvlanDriver(NetworkDriver):
    """Gives Pods macvlan interfaces. Each call asks the kernel: nothing is kept, so nothing is left open."""

    def __init__(self, host: HostContext) -> None:
        super().__init__(host)
        self._links = MasterLinks(host, "macvlan", never_on=("macvlan", "macvtap"))

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
        if problem := lacking(self.host.proc_root, "CAP_NET_ADMIN", "CAP_SYS_ADMIN"):
            return ProbeReport(ready=False, message=problem)
        return ProbeReport(ready=True)

    def lock_keys(self, request: AttachRequest) -> tuple[str, ...]:
        """Under passthru the master belongs to one interface; in the other modes it is shared."""
        return (f"macvlan:{request.options['master']}",) if _mode_of(request) == PASSTHRU else ()

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        """The master with its index, the mode, and the MAC: under passthru always the master's own."""
        mode, master = _mode_of(request), self._links.master(request)
        mac = _passthru_mac(master, request) if mode == PASSTHRU else None
        return self._links.plan(request, master, mac=mac, state={"mode": mode})

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        """Two steps: the finished link, made in the Pod's namespace; then the alias that says whose it is."""
        mode = attachment.state["mode"]
        made = self._links.make(attachment, call, data=[("IFLA_MACVLAN_MODE", mode)], mode=mode)
        require_clean(_mode_findings(attachment, made), f"link {made.name}")
        return AttachResult(mac=made.mac, mtu=made.mtu, details={"master": attachment.names["master"], "mode": mode})

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        """The Pod's interface, and that its master is still on the host. Raises Gone without netns."""
        found = self._links.read(attachment)
        findings = (*self._links.findings(attachment, found), *_mode_findings(attachment, found.link))
        return CheckReport(findings=findings, in_use=found.in_use)

    def detach(self, attachment: Attachment, call: Call) -> None:
        """Remove the interface; without the Pod's namespace there is none, and the master is not needed for it."""
        self._links.remove(attachment, call)

    def inventory(self, call: Call) -> Inventory:
        """Nothing: an interface stands in its Pod's namespace from its first moment and dies with it, so that none of it can
        be left on the host.
        """
        return Inventory()


def _mode_of(request: AttachRequest) -> str:
    return str(request.options.get("mode", "bridge"))


def _passthru_mac(master: Link, request: AttachRequest) -> str:
    """The master's. Raises Unsupported if another one is asked for."""
    if request.mac not in (None, master.mac):
        raise Unsupported(
            f"with mode passthru the interface has the MAC of {master.name}, {master.mac}, and not {request.mac}",
            hint="leave the MAC out, or choose another mode",
            subject=f"network {request.network}",
        )
    return master.mac


def _mode_findings(attachment: Attachment, link: Link | None) -> Iterator[Finding]:
    """link: None if the Pod has none, of which others speak."""
    if link is None:
        return
    mode = MODES.get(link.kind_number(IFLA_MACVLAN_MODE) or 0, "unknown")
    if mode != attachment.state["mode"]:
        message = f"{link.name} has the mode {mode} instead of {attachment.state['mode']}"
        yield Finding(code="WrongMode", message=message)
