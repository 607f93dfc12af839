"""The contract of a network type.

A driver is one class, found through the entry-point group `secnet.network_types`; the entry-point name is the `networkType` of
the NADs it serves. Drivers are synchronous and thread-safe, keep no state that matters between calls, never change the network
namespace of the calling thread, and raise only errors of `secnet.contract.errors`.

A method that gets a `call` ends with it: it gives whatever may block `call.remaining(limit)` as its timeout, calls
`call.checkpoint()` before anything that may take long, and raises Timeout or Cancelled within about a second after
`call.deadline` passed or `call.cancel` was set. To return as if the work were done is never allowed. The methods without a
`call` are pure, or have to end by themselves within the time that their docstring names.

A call that does not end is reported under the name of its distribution. What it is about stays held until it returns, and no
other method is called for it meanwhile; with some such calls the core makes no further ones (docs/operations.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .attachment import Attachment, AttachRequest, AttachResult
from .call import Call, HostContext
from .codec import freeze
from .doctor import DoctorResult
from .kinds import ObjectKind
from .metrics import Metric
from .needs import Needs
from .node import NodeObservation
from .reports import CheckReport, Inventory, NodeReport, ProbeReport
from .schema import EMPTY_FRAGMENT
from .store import ObjectStore
from .version import FIRST_VERSION

__all__ = ["DRIVER_CAPABILITIES", "DriverInfo", "NetworkDriver", "StatusColumn"]

DRIVER_CAPABILITIES = frozenset({"mac", "mtu", "bandwidth", "portMappings", "infinibandGuid"})
"""What a driver may declare to honour. A request for anything undeclared is refused with Unsupported before `plan`.

`mtu` is the key of the NetworkAttachmentDefinition, which is AttachRequest.mtu: a Pod's annotation has no such key. The others
are keys of the annotation.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusColumn:
    """A column of `secnet status`: what `AttachResult.details` has under `key`, below the title in capitals.

    Types that declare the same key share the column; it is empty for an attachment without that detail.
    """

    key: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverInfo:
    """What a driver is, as data.

    contract: the contract version it is made for. Silence means version 1, in every later version of the contract too.
    options: schema fragment of its own NAD keys; node: fragment of its section in the node configuration. Both are closed
    draft 2020-12 objects with title, description and examples on each property (see `secnet.contract.schema`). An absent
    section is `{}` and is not checked by `node`.
    node_aliases: other places in the node configuration for keys of that section: a path of keys with dots, from the top of the
    file, to the key. A key of the core is never an alias.
    vlan: True if the type knows VLANs; its options fragment then holds the integer property `vlan` (0 or absent: the pool's).
    needs_device: True if the core must allocate a device for each request.
    needs: what it needs of the node, for `secnet doctor` and `secnet drivers`.
    kinds: kinds of cluster objects that it reads, or whose status it writes; it gets an ObjectStore exactly when non-empty.
    status_columns: what `secnet status` shows of the details of an attachment.
    example: options of a ready NAD example, valid by `options`.
    """

    network_type: str
    summary: str
    contract: int = FIRST_VERSION
    options: Mapping[str, Any] = field(default_factory=lambda: EMPTY_FRAGMENT)
    node: Mapping[str, Any] = field(default_factory=lambda: EMPTY_FRAGMENT)
    node_aliases: Mapping[str, str] = field(default_factory=dict)
    capabilities: frozenset[str] = frozenset()
    needs_device: bool = False
    vlan: bool = False
    needs: Needs = field(default_factory=Needs)
    kinds: tuple[ObjectKind, ...] = ()
    status_columns: tuple[StatusColumn, ...] = ()
    example: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("options", "node", "node_aliases", "example"):
            object.__setattr__(self, name, freeze(getattr(self, name)))


class NetworkDriver(ABC):
    """Makes, checks and removes the interfaces of one network type. `__init__` does no I/O and starts nothing.

    objects: given, as a second argument, only to a driver that declares kinds; one without may take `host` alone.
    """

    def __init__(self, host: HostContext, objects: ObjectStore | None = None) -> None:
        self.host = host
        self.objects = objects

    @classmethod
    @abstractmethod
    def describe(cls) -> DriverInfo:
        """What this driver is. Pure: no I/O, the same answer each time, so there is nothing to wait for and no deadline."""

    @abstractmethod
    def probe(self) -> ProbeReport:
        """Whether it can work on this host. Read-only; "not ready because ..." is a value, not an exception.

        It gets no deadline and has to bring its own: what does not answer within 2 s is not ready.
        """

    def validate(self, options: Mapping[str, Any]) -> None:
        """Refuse what a JSON schema cannot express, such as two options that exclude each other.

        options: a NAD's, valid by the schema fragment. The core calls it wherever a NAD is examined, also by `secnet validate`
        on another machine: `plan` gets no options that it rejects. Offline and pure: it reads no host and has no deadline.
        Raises InvalidConfig or Unsupported with the JSON path of the option, such as `$.minTxRate`; the core adds the NAD.
        """

    def lock_keys(self, request: AttachRequest) -> tuple[str, ...]:
        """Names of exclusive resources that `request` needs (a PCI address); never a shared one such as a bridge.

        The core adds the id of `request.device` by itself. Pure: it depends on the request alone and has no deadline.
        """
        return ()

    @abstractmethod
    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        """Decide names, MAC and MTU and capture prior state. Read-only, under the locks.

        Names are a pure function of the request's key. Raises Conflict if a foreign object has one of them, Unsupported or
        InvalidConfig for what only the host can refuse (an MTU above the uplink's), NotReady for what may still come.

        At the deadline it raises Timeout, when withdrawn Cancelled: nothing was changed, so nothing is left behind.
        """

    def admit(self, attachment: Attachment, call: Call) -> None:
        """Refuse a new attachment for what is known only now that it is bound, such as another one on its VLAN. Read-only.

        Called right before the first `attach` and never before a repair: a living attachment is not refused. On failure raise
        as `plan` does; the core then releases the addresses and calls `detach`. At the deadline it raises Timeout, when
        withdrawn Cancelled.
        """

    @abstractmethod
    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        """Make it true: host side wired and read back; the Pod-side link has its final name, MAC and MTU and is still DOWN.

        Each change stands inside one `call.step`. The attachment is bound: `vlan` and `lease` are final. On failure raise;
        the core calls `detach` with the same attachment. Repeating a completed attach changes nothing; of one that drifted it
        makes what is missing, keeps what is there and right, and raises what it cannot repair without a detach. What
        differs on the Pod's side stays, for `check` to find.

        A result with `netdev` promises that link: without it the attach is a ContractViolation.

        At the deadline it raises Timeout, when withdrawn Cancelled, from wherever it stands and without cleaning up: what it
        made by then is what `detach` removes, under a deadline of its own.
        """

    @abstractmethod
    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        """Compare what is there with the attachment. Read-only; addresses and routes are the core's to check.

        The Pod's end is found by what the Pod cannot change, such as a peer's index or a PCI address, never by its name alone.
        Where the Pod has renamed it or made it a port, the report says so in `in_use` and finds nothing on the Pod's side.

        What could not be checked before the deadline is no finding: it raises Timeout, or Cancelled when withdrawn.
        """

    @abstractmethod
    def detach(self, attachment: Attachment, call: Call) -> None:
        """Remove whatever exists of it and restore `prior`. The only undo path there is.

        Accepts every prefix of `attach`, a missing netns, a missing device, a second call. Touches only objects with our
        owner tag. Raises Busy while a device is on its way back to the host; the record then stays.

        Success means that nothing of it is left, since the record is dropped after it. What is not done at the deadline raises
        Timeout, or Cancelled when withdrawn; the core calls again, later, with a new deadline.
        """

    @abstractmethod
    def inventory(self, call: Call) -> Inventory:
        """Everything on the host that this driver made, rebuilt into Attachments, plus foreign objects in our way. Read-only.

        The owner tag is the agent's, and all its drivers share it: distinguish your objects from theirs by a name prefix of
        your own. It is complete or it raises: at the deadline Timeout, when withdrawn Cancelled. A part of it would look like
        the whole.
        """

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        """Make per-node state (bridges, uplinks) as the node configuration `desired` says; repeatable, nothing per Pod.

        Removes what is no longer configured, if it carries our tag and nothing uses it. An absent section
        is `{}`, which no schema has seen, even where the fragment requires a property: nothing is configured, so it only takes
        away. Each change stands inside one `call.step`. What is missing or in the way is a finding, and it is tried again.

        What a living attachment needs (one of `call.attachments`, or one that is found on the host) stays until it is detached,
        also where the configuration gives it to something else; such a finding is advisory, and `plan` raises NotReady for what
        has to wait.

        It never waits for what may come, such as an uplink. At the deadline it raises Timeout, when withdrawn Cancelled; the
        next call completes what this one began.
        """
        return NodeReport()

    def teardown_node(self, call: Call) -> None:
        """Undo `reconcile_node` as far as it carries our tag and nothing uses it (uninstall). May be repeated.

        Each change stands inside one `call.step`. What is not done at the deadline raises Timeout, or Cancelled when withdrawn;
        the next call completes it.
        """

    def observe_node(self, call: Call) -> NodeObservation:
        """This driver's view of its part of the node (`HostContext.config`): each thing that attachments stand on, and how it is.

        Read-only, and cheap enough to be asked at each event. A configured thing that is missing is a component that is DOWN;
        without a section there is none. It repairs nothing and is no judgement of readiness: that is `reconcile_node`. What could
        not be read before the deadline raises Timeout, or Cancelled when withdrawn.
        """
        return NodeObservation()

    def watch_node(self, notify: Callable[[], None], call: Call) -> None:
        """Call `notify` whenever `observe_node` may have another answer. The event source of the node's state.

        Runs in a thread of its own: it blocks until `call.cancel` is set and then ends within about a second, by returning or by
        Cancelled; the call has no deadline. `notify` is cheap and takes calls from any thread; several events may be one call.
        It is called once when the source begins, since something may have changed before. A source that breaks raises
        Unavailable, and is begun again with back-off. To return at once, as here, means that there are no events: the core
        then reads at its intervals.
        """

    def doctor(self, call: Call) -> tuple[DoctorResult, ...]:
        """What `secnet doctor` is to say beyond `describe().needs`, `probe` and `observe_node`, which it asks by itself.

        Read-only; works beside a running agent and without one. Trouble is a result, not an exception. What could not be looked
        at before the deadline is a result with WARN, or raises Timeout, or Cancelled when withdrawn.
        """
        return ()

    def metrics(self, call: Call) -> tuple[Metric, ...]:
        """Values for the agent's metrics, as they are now. Asked at each scrape, of the instance that attaches.

        Read-only, and quick: what takes long is counted elsewhere and given here. The deadline is that of the scrape, a
        second: it raises Timeout, or Cancelled when withdrawn, and the page then lacks these values.
        """
        return ()

    def close(self) -> None:
        """Leave no thread, file descriptor, socket or netns handle behind. May be called twice.

        It gets no deadline and waits at most 2 s for what still runs; calls that are under way end with an error.
        """
