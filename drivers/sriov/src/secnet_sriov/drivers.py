"""The network types `sriov`, `sriov-vf` and `sriov-sf`.

Only their descriptions exist: options can be validated and are listed, and a Pod that asks for such a network is told plainly
that it cannot have it (issue 2, item 1).
"""

from __future__ import annotations

from typing import ClassVar, NoReturn

from secnet.contract import (
    Attachment,
    AttachRequest,
    AttachResult,
    Call,
    CheckReport,
    DriverInfo,
    Inventory,
    NetworkDriver,
    ProbeReport,
    Unsupported,
    load_fragment,
)

__all__ = ["SriovDriver", "SriovSfDriver", "SriovVfDriver"]

_REASON = "only described in this version of secnet-sriov, not implemented"
_HINT = "use network type vlan, or a later version of secnet-sriov"


class _DescribedOnly(NetworkDriver):
    """What the three types share."""

    network_type: ClassVar[str]
    summary: ClassVar[str]

    @classmethod
    def describe(cls) -> DriverInfo:
        """Options of the card's port for this function; each request needs a device."""
        return DriverInfo(
            network_type=cls.network_type,
            summary=cls.summary,
            options=load_fragment("secnet_sriov", "options.json"),
            capabilities=frozenset({"mac", "mtu"}),
            needs_device=True,
            vlan=True,
            privileges=(
                "CAP_NET_ADMIN and CAP_SYS_ADMIN, to set up and move the device",
                "a writable /sys",
                "the kubelet's PodResources socket, to learn which device a Pod was given",
            ),
            example={"vlan": 100, "spoofchk": "on"},
        )

    def probe(self) -> ProbeReport:
        """Never ready."""
        return ProbeReport(ready=False, message=_REASON)

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        """Raises Unsupported."""
        self._refuse(str(request.network))

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        """Raises Unsupported."""
        self._refuse(str(attachment.request.network))

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        """Raises Unsupported."""
        self._refuse(str(attachment.request.network))

    def detach(self, attachment: Attachment, call: Call) -> None:
        """Raises Unsupported: there is nothing of ours to remove, and what a later version made must not be forgotten."""
        self._refuse(str(attachment.request.network))

    def inventory(self, call: Call) -> Inventory:
        """Nothing: this version makes nothing."""
        return Inventory()

    def _refuse(self, network: str) -> NoReturn:
        raise Unsupported(
            f"network type {self.network_type}: {_REASON}",
            hint=_HINT,
            subject=f"NetworkAttachmentDefinition {network}",
            path="$.networkType",
        )


class SriovDriver(_DescribedOnly):
    """The type of Antrea's SR-IOV networks: whatever kind of function the device plugin gives."""

    network_type = "sriov"
    summary = "virtual function or subfunction of a network card, as the device plugin gives it"


class SriovVfDriver(_DescribedOnly):
    """Virtual functions only."""

    network_type = "sriov-vf"
    summary = "virtual function of a network card"


class SriovSfDriver(_DescribedOnly):
    """Subfunctions only."""

    network_type = "sriov-sf"
    summary = "subfunction of a network card"
