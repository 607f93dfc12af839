"""What an author writes: one case, which says what the kit cannot know. Everything else follows from the contract.

    class TestMacvlan(DriverSuite):
        class case(DriverCase):
            driver = MacvlanDriver
            good = ({"master": "up0"}, {"master": "up0", "mode": "private"})
            bad = (Bad({"master": "none0"}, reason="NotReady"), Bad({"mode": "odd"}, reason="InvalidConfig"))

            def prepare(self, host):
                host.run("ip link add up0 type bridge")

A new case is made for each host. What `prepare` made and others need (a breakage, a stall) it puts into `host.kept`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from secnet.contract import Attachment, DeviceRef, IPAMBackend, IpamLease, NetworkDriver

from .host import Host
from .netns import Namespace

__all__ = ["BackendCase", "Bad", "Breakage", "DriverCase", "Foreign", "Stall"]


@dataclass(frozen=True, slots=True)
class Bad:
    """Configuration that must be refused before anything changes, with the reason (the name of an error class).

    config: NAD options of a driver, or `ipam` keys of a backend. request: fields of the AttachRequest or IpamRequest that
    differ from the usual, such as `{"mtu": 9216}`. match: words that the message, the path or the hint must hold.
    """

    config: Mapping[str, Any]
    reason: str
    request: Mapping[str, Any] = field(default_factory=dict)
    match: str = ""

    def __str__(self) -> str:
        extra = f" with {dict(self.request)}" if self.request else ""
        return f"{dict(self.config)}{extra}"


@dataclass(frozen=True, slots=True)
class Breakage:
    """A way to break what `attach` made (or, for a backend, what `allocate` noted); `check` must see it.

    how: gets the host and the Attachment (for a backend the IpamLease). code: the finding's code; empty accepts any.
    """

    name: str
    how: Callable[[Host, Any], object]
    code: str = ""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Stall:
    """A dependency that hangs: it takes what it is sent and never answers. `how` stalls it for as long as it is entered."""

    name: str
    how: Callable[[Host], AbstractContextManager[object]]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Foreign:
    """An object of another owner under a name that the plan chose. `attach` must be rejected, and it must survive.

    Links are tried by the kit itself; name here what else the driver makes, such as an OVS port.
    """

    name: str
    make: Callable[[Host, Attachment], object]

    def __str__(self) -> str:
        return self.name


class _Case:
    """What both kinds of case share."""

    not_ready: ClassVar[str] = ""
    """Why no life cycle can run yet, a part of the probe's message: the report says so, and a test that it is still true."""

    golden: ClassVar[Path | None] = None
    """Folder of records that released versions wrote, in `contract-N/`; `--secnet-golden` adds those of this contract version."""

    stalls: ClassVar[Sequence[Stall]] = ()
    objects: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """Manifests that are in the object store before each test, such as IPPools; of kinds that the plugin declares."""

    node: ClassVar[Mapping[str, Any]] = {}
    """The plugin's section of the node configuration. A driver's `reconcile_node` makes it true before the first attach."""

    breakages: ClassVar[Sequence[Breakage]] = ()
    bad: ClassVar[Sequence[Bad]] = ()

    def prepare(self, host: Host) -> None:
        """Make what the plugin stands on: bridges, parent links, services. Undo what outlives the namespace by `host.at_end`."""

    def context(self, host: Host) -> Mapping[str, Any]:
        """Fields of the HostContext that differ from the usual, such as `ovsdb`. Asked after `prepare`."""
        return {}

    def snapshot(self, host: Host) -> Mapping[str, Any]:
        """What else belongs to the picture of the host, JSON-like: OVS rows, files. The kernel's state is in it."""
        return {}


class DriverCase(_Case):
    """What the kit must know of a driver."""

    driver: ClassVar[type[NetworkDriver]]

    good: ClassVar[Sequence[Mapping[str, Any]]] = ({},)
    """NAD options that work on the prepared host. Each is attached, checked and detached; the first serves all other tests."""

    other_node: ClassVar[Mapping[str, Any] | None] = None
    """Another section, which leads to other objects than `node`: nothing is left of the one when the other takes its place."""

    foreign: ClassVar[Sequence[Foreign]] = ()

    netdev: ClassVar[bool] = True
    """False for a driver whose `attach` makes no interface of the Pod: the tests about that interface do not apply then."""

    node_netns: ClassVar[str] = ""
    """An existing namespace of /run/netns that plays the node, instead of one of the kit's; `prepare` puts it in order.

    For hardware: the kernel gives a device of a namespace that ended to the machine's first one, and to no other.
    """

    def devices(self, host: Host, count: int) -> Sequence[DeviceRef]:
        """For a driver that `needs_device`: that many unused devices."""
        raise NotImplementedError("the driver needs devices: the case must give them")

    def lose_device(self, host: Host, device: DeviceRef) -> None:
        """For a driver that `needs_device`: take a device away from the host for good, wherever it is by now."""
        raise NotImplementedError("the driver needs devices: the case must be able to take one away")

    def inside(self, host: Host, pod: Namespace, attachment: Attachment) -> None:
        """Check a finished attachment, with the Pod's link up: raise AssertionError if the options had not their effect."""


class BackendCase(_Case):
    """What the kit must know of an IPAM backend. Its object store is `host.objects`; the run directory is `host.folder / "run"`.

    `snapshot` names what the backend records outside of the store; the objects of its kinds are in the picture anyway.
    """

    backend: ClassVar[type[IPAMBackend]]

    good: ClassVar[Sequence[Mapping[str, Any]]] = ({},)
    """`ipam` keys, without `type`. Each gives at least 32 addresses; the first serves all other tests."""

    small: ClassVar[tuple[Mapping[str, Any], int] | None] = None
    """`ipam` keys, and the number of leases after which they are exhausted, 2 or more; not for one that allocates nothing."""

    ips: ClassVar[Sequence[str]] = ()
    """For the capability `ips`: two addresses, as an annotation names them, that the first `good` can give."""

    def inside(self, host: Host, lease: IpamLease) -> None:
        """Check a lease of the first `good`: raise AssertionError if it is not what the configuration says."""
