"""A driver and a backend whose every failure can be provoked, and a pipeline over them.

They only write down what is asked of them: a real driver cannot be made to fail at each place on demand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

from secnet.agent.attach.admission import Clearance
from secnet.agent.attach.layer3 import Layer3
from secnet.agent.attach.orphan_gc import OrphanGarbageCollector
from secnet.agent.attach.pipeline import Pipeline
from secnet.agent.attach.plugin_calls import Plugins
from secnet.agent.base.metrics import Metrics
from secnet.agent.config.settings import Settings
from secnet.agent.model.work import Work
from secnet.agent.plugins.plugin import LoadedPlugin
from secnet.agent.plugins.registry import Registry
from secnet.agent.pods.worker import AttachmentWorker
from secnet.agent.state.journal import Journal
from secnet.agent.text.schema import Validator
from secnet.contract import (
    EMPTY_FRAGMENT,
    VLAN_PROPERTY,
    Attachment,
    AttachmentId,
    AttachRequest,
    AttachResult,
    BackendInfo,
    Call,
    CheckReport,
    DriverInfo,
    ErrorInfo,
    ForeignObject,
    Inventory,
    IPAMBackend,
    IpamLease,
    IpamOwner,
    IpamRequest,
    LeaseAddress,
    NetworkDriver,
    NetworkRef,
    Owned,
    ProbeReport,
)

from secnet_testing.contract_objects import work

__all__ = ["Rig", "Script", "fail", "make_rig", "make_worker", "toy_registry", "toy_work"]

T = TypeVar("T")

OPTIONS = {**EMPTY_FRAGMENT, "properties": {"vlan": VLAN_PROPERTY}}


@dataclass
class Script:
    """What the plugins did, and what they are to do instead of succeeding: method name -> function; witness sees each call.

    found, foreign: what the driver's inventory finds. detached: of which attachment each detach was.
    """

    log: list[str] = field(default_factory=list)
    instead: dict[str, Callable[[], Any]] = field(default_factory=dict)
    vlans: tuple[int, ...] = ()
    pool: str | None = None
    has_vlans: bool = True
    locks: tuple[str, ...] = ()
    asked_for: list[tuple[str, ...]] = field(default_factory=list)
    witness: Callable[[str], None] = lambda method: None
    found: tuple[Attachment, ...] = ()
    foreign: tuple[ForeignObject, ...] = ()
    detached: list[AttachmentId] = field(default_factory=list)

    def run(self, method: str, default: T) -> T:
        """Note the call, then do what was asked for in place of returning `default`."""
        self.log.append(method)
        self.witness(method)
        return cast(T, self.instead[method]()) if method in self.instead else default


class _ToyDriver(NetworkDriver):
    script: ClassVar[Script]

    @classmethod
    def describe(cls) -> DriverInfo:
        return DriverInfo(network_type="toy", summary="", options=OPTIONS, vlan=cls.script.has_vlans)

    def probe(self) -> ProbeReport:
        return ProbeReport(ready=True)

    def lock_keys(self, request: AttachRequest) -> tuple[str, ...]:
        return self.script.locks

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        return self.script.run("plan", Attachment(request=request))

    def admit(self, attachment: Attachment, call: Call) -> None:
        if "admit" in self.script.instead:  # few tests ask for it, and many read the whole log
            self.script.run("admit", None)

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        return self.script.run("attach", AttachResult(netdev=False))

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        return self.script.run("check", CheckReport())

    def detach(self, attachment: Attachment, call: Call) -> None:
        self.script.detached.append(attachment.key)
        self.script.run("detach", None)

    def inventory(self, call: Call) -> Inventory:
        if "inventory" in self.script.instead:  # as with `admit`
            self.script.run("inventory", None)
        owned = tuple(Owned(attachment=each, complete=False) for each in self.script.found)
        return Inventory(owned=owned, foreign=self.script.foreign)


class _ToyBackend(IPAMBackend):
    script: ClassVar[Script]

    @classmethod
    def describe(cls) -> BackendInfo:
        return BackendInfo(ipam_type="pool", summary="", capabilities=frozenset({"ips"}))

    def probe(self) -> ProbeReport:
        return ProbeReport(ready=True)

    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        self.script.asked_for.append(request.ips)
        address = LeaseAddress(address="10.0.0.2/24", pool=self.script.pool)
        return self.script.run(
            "allocate", IpamLease(owner=request.owner, addresses=(address,), vlans=self.script.vlans)
        )

    def check(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> CheckReport:
        return self.script.run("check_lease", CheckReport())

    def renew(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> IpamLease:
        return self.script.run("renew", lease)

    def release(self, request: IpamRequest, call: Call) -> None:
        self.script.run("release", None)


@dataclass
class Rig:
    """A pipeline over the toys; `script` says what they do, and what they did."""

    journal: Journal
    pipeline: Pipeline
    script: Script

    def attach(self, item: Work | None = None, **call: Any) -> Any:
        """Attach one interface; returns its record."""
        return self.pipeline.attach(item or toy_work(), Call.within(5, **call))


def fail(error: BaseException) -> Callable[[], Any]:
    """A function that raises this."""

    def run() -> Any:
        raise error

    return run


def toy_work(ifname: str = "eth1", **rest: Any) -> Work:
    """The work that one selection of the toy network makes."""
    owner = IpamOwner(container_id="c1", ifname=ifname)
    ipam = IpamRequest(owner=owner, network=NetworkRef(namespace="default", name="blue"), config={})
    bare = work(ifname, **rest)
    return Work(selection_id=bare.selection_id, request=bare.request, ipam=ipam, ipam_type="pool")


def make_rig(folder: Path, metrics: Metrics | None = None, clearance: Clearance | None = None) -> Rig:
    """A rig whose journal lies in `folder`."""
    script = Script()
    settings = Settings(node_name="n")
    journal = Journal(folder)
    pipeline = Pipeline(
        plugins=Plugins(toy_registry(script), settings, objects=None),  # type: ignore[arg-type]
        journal=journal,
        boot_id="boot",
        layer3=Layer3(),
        undo_call=lambda record: Call.within(5),
        verify_seconds=0.05,
        metrics=metrics,
        clearance=clearance,
    )
    return Rig(journal=journal, pipeline=pipeline, script=script)


def make_worker(
    rig: Rig,
    *,
    lease_check_seconds: float = 0.0,
    seconds: float = 5.0,
    cut_off: Callable[[AttachmentId], ErrorInfo | None] = lambda key: None,
) -> AttachmentWorker:
    """The worker over a rig. seconds: the deadline of each operation. cut_off: see AttachmentWorker."""
    return AttachmentWorker(
        pipeline=rig.pipeline,
        journal=rig.journal,
        orphan_gc=OrphanGarbageCollector(
            plugins=Plugins(toy_registry(rig.script), Settings(node_name="n"), objects=None),  # type: ignore[arg-type]
            pipeline=rig.pipeline,
            journal=rig.journal,
            sandboxes=dict,
        ),
        seconds=seconds,
        lease_check_seconds=lease_check_seconds,
        cut_off=cut_off,
    )


def toy_registry(script: Script) -> Registry:
    """The toys as installed plugins, described as the script says now."""

    def load(name: str, base: type) -> LoadedPlugin[Any]:
        cls: Any = type(base.__name__, (base,), {"script": script})
        validator = Validator(EMPTY_FRAGMENT, name)
        return LoadedPlugin(
            name=name, cls=cls, info=cls.describe(), distribution="toy-dist", version="1.2", options=validator
        )

    drivers, backends = {"toy": load("toy", _ToyDriver)}, {"pool": load("pool", _ToyBackend)}
    return Registry(drivers=drivers, backends=backends, problems=())
