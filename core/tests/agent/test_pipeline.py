"""The order of work and the one undo path, with a driver and a backend whose every failure can be provoked.

The plugins here only write down what is asked of them: a real driver cannot be made to fail at each place on demand. The real
ones run through the same pipeline in the crash tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.journal import Journal, Phase
from secnet.agent.layer3 import Layer3
from secnet.agent.pipeline import Pipeline
from secnet.agent.plugins import Plugins
from secnet.agent.registry import LoadedPlugin, Registry
from secnet.agent.requests import Work
from secnet.agent.settings import Settings
from secnet.agent.validation import Validator
from secnet.contract import (
    EMPTY_FRAGMENT,
    VLAN_PROPERTY,
    Attachment,
    AttachRequest,
    AttachResult,
    BackendInfo,
    Busy,
    Call,
    Cancelled,
    CheckReport,
    Conflict,
    ContractViolation,
    DriverInfo,
    Finding,
    HostContext,
    Inventory,
    IPAMBackend,
    IpamLease,
    IpamOwner,
    IpamRequest,
    LeaseAddress,
    NetworkDriver,
    NetworkRef,
    ProbeReport,
    SecnetError,
    Unsupported,
    VerifyFailed,
)
from secnet_testing.builders import request, work

OPTIONS = {**EMPTY_FRAGMENT, "properties": {"vlan": VLAN_PROPERTY}}


@dataclass
class _Script:
    """What the plugins did, and what they are to do instead of succeeding: method name -> function; witness sees each call."""

    log: list[str] = field(default_factory=list)
    instead: dict[str, Callable[[], Any]] = field(default_factory=dict)
    vlans: tuple[int, ...] = ()
    has_vlans: bool = True
    locks: tuple[str, ...] = ()
    witness: Callable[[str], None] = lambda method: None

    def run(self, method: str, default: Any = None) -> Any:
        self.log.append(method)
        self.witness(method)
        return self.instead[method]() if method in self.instead else default


def _fail(error: BaseException) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


SCRIPT = _Script()


class _Toy(NetworkDriver):
    @classmethod
    def describe(cls) -> DriverInfo:
        return DriverInfo(network_type="toy", summary="", options=OPTIONS, vlan=SCRIPT.has_vlans)

    def probe(self) -> ProbeReport:
        return ProbeReport(ready=True)

    def lock_keys(self, request: AttachRequest) -> tuple[str, ...]:
        return SCRIPT.locks

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        return SCRIPT.run("plan", Attachment(request=request))

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        return SCRIPT.run("attach", AttachResult(netdev=False))

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        return SCRIPT.run("check", CheckReport())

    def detach(self, attachment: Attachment, call: Call) -> None:
        return SCRIPT.run("detach")

    def inventory(self, call: Call) -> Inventory:
        return Inventory()


class _Pool(IPAMBackend):
    @classmethod
    def describe(cls) -> BackendInfo:
        return BackendInfo(ipam_type="pool", summary="")

    def probe(self) -> ProbeReport:
        return ProbeReport(ready=True)

    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        lease = IpamLease(owner=request.owner, addresses=(LeaseAddress(address="10.0.0.2/24"),), vlans=SCRIPT.vlans)
        return SCRIPT.run("allocate", lease)

    def release(self, request: IpamRequest, call: Call) -> None:
        return SCRIPT.run("release")


@dataclass
class _Rig:
    journal: Journal
    pipeline: Pipeline
    script: _Script

    def attach(self, item: Work | None = None, **call: Any) -> Any:
        return self.pipeline.attach(item or _work(), Call.within(5, **call))


def _work(ifname: str = "eth1", **rest: Any) -> Work:
    owner = IpamOwner(container_id="c1", ifname=ifname)
    ipam = IpamRequest(owner=owner, network=NetworkRef(namespace="default", name="blue"), config={})
    bare = work(ifname, **rest)
    return Work(element=bare.element, request=bare.request, ipam=ipam, ipam_type="pool")


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Rig:
    script = _Script()
    monkeypatch.setitem(globals(), "SCRIPT", script)
    settings = Settings(node_name="n")
    journal = Journal(tmp_path)
    pipeline = Pipeline(
        plugins=Plugins(_registry(), settings, objects=None),  # type: ignore[arg-type]
        journal=journal,
        boot_id="boot",
        layer3=Layer3(),
        undo_call=lambda record: Call.within(5),
        verify_seconds=0.05,
    )
    return _Rig(journal=journal, pipeline=pipeline, script=script)


def _registry() -> Registry:
    def load(name: str, cls: Any) -> LoadedPlugin[Any]:
        validator = Validator(EMPTY_FRAGMENT, name)
        return LoadedPlugin(
            name=name, cls=cls, info=cls.describe(), distribution="toy-dist", version="1.2", options=validator
        )

    return Registry(drivers={"toy": load("toy", _Toy)}, backends={"pool": load("pool", _Pool)}, problems=())


def test_the_order_of_work_and_of_removal(rig: _Rig) -> None:
    record = rig.attach()
    assert rig.script.log == ["plan", "allocate", "attach", "check"]
    assert (record.phase, rig.journal.records()) == (Phase.ATTACHED, (record,))
    rig.script.log.clear()
    rig.pipeline.detach(record, Call.within(5))
    assert rig.script.log == ["detach", "release"], "the link goes before the address"
    assert rig.journal.records() == ()


@pytest.mark.parametrize("method", ["allocate", "attach", "check"])
@pytest.mark.parametrize("error", [Busy("x"), Conflict("x"), Cancelled("x"), RuntimeError("x")])
def test_any_failure_is_undone_by_detach_and_release(rig: _Rig, method: str, error: Exception) -> None:
    rig.script.instead[method] = _fail(error)
    with pytest.raises(type(error) if isinstance(error, SecnetError) else ContractViolation):
        rig.attach()
    assert rig.script.log[-2:] == ["detach", "release"]
    assert rig.journal.records() == ()


def test_a_failure_before_the_record_needs_no_undo(rig: _Rig) -> None:
    rig.script.instead["plan"] = _fail(Conflict("x"))
    with pytest.raises(Conflict):
        rig.attach()
    assert rig.script.log == ["plan"]


@pytest.mark.parametrize("method", ["detach", "release"])
def test_a_failing_undo_keeps_the_record_and_can_be_repeated(rig: _Rig, method: str) -> None:
    rig.script.instead |= {"attach": _fail(Busy("first")), method: _fail(Busy("second"))}
    with pytest.raises(Busy, match="first"):
        rig.attach()
    (record,) = rig.journal.records()
    assert record.phase == Phase.DETACHING
    rig.script.instead.clear()
    rig.pipeline.detach(record, Call.within(5))
    assert rig.journal.records() == ()


def test_the_record_is_written_before_each_act(rig: _Rig) -> None:
    seen = {}

    def note(method: str) -> None:
        seen[method] = [record.phase for record in rig.journal.records()]

    rig.script.witness = note
    rig.pipeline.detach(rig.attach(), Call.within(5))
    assert seen == {
        "plan": [],
        "allocate": [Phase.PLANNED],
        "attach": [Phase.ATTACHING],
        "check": [Phase.ATTACHING],
        "detach": [Phase.DETACHING],
        "release": [Phase.DETACHING],
    }


@pytest.mark.parametrize("method", ["plan", "allocate", "attach", "check"])
def test_a_plugin_that_returns_nothing_is_named(rig: _Rig, method: str) -> None:
    rig.script.instead[method] = lambda: None
    with pytest.raises(ContractViolation, match=r"\(toy-dist 1\.2\) returned None from " + method):
        rig.attach()


def test_a_plugin_that_raises_something_else_is_named(rig: _Rig) -> None:
    rig.script.instead["attach"] = _fail(KeyError("x"))
    with pytest.raises(ContractViolation, match=r"driver toy \(toy-dist 1\.2\) raised KeyError from attach"):
        rig.attach()


def test_a_plan_for_another_request_is_refused(rig: _Rig) -> None:
    rig.script.instead["plan"] = lambda: Attachment(request=request("eth9"))
    with pytest.raises(ContractViolation, match="changed the request"):
        rig.attach()


def test_what_does_not_read_back_as_written_fails(rig: _Rig) -> None:
    rig.script.instead["check"] = lambda: CheckReport(findings=(Finding(code="X", message="tag is 7"),))
    with pytest.raises(VerifyFailed, match="tag is 7"):
        rig.attach()
    assert rig.journal.records() == ()


def test_an_exclusive_resource_of_another_record_is_busy(rig: _Rig) -> None:
    rig.script.locks = ("pci:1",)
    rig.attach()
    with pytest.raises(Busy, match=r"pci:1 still belongs to Pod default/web interface eth1"):
        rig.attach(_work("eth2"))


def test_a_record_of_another_boot_is_released_but_not_detached(rig: _Rig) -> None:
    record = rig.attach().replace(boot_id="older")
    rig.journal.write(record)
    rig.script.log.clear()
    rig.pipeline.detach(record, Call.within(5))
    assert rig.script.log == ["release"]


def test_a_remade_attachment_keeps_its_lease(rig: _Rig) -> None:
    record = rig.attach()
    rig.script.log.clear()
    rig.pipeline.remake(record, _work(), Call.within(5))
    assert rig.script.log == ["detach", "plan", "allocate", "attach", "check"]


def test_the_vlan_of_the_nad_wins_over_that_of_the_pools(rig: _Rig) -> None:
    rig.script.vlans = (300, 400)
    assert rig.attach(_work(options={"vlan": 100})).attachment.vlan == 100


def test_the_vlan_of_the_pools_counts_where_the_nad_has_none(rig: _Rig) -> None:
    rig.script.vlans = (300,)
    assert rig.attach(_work(options={"vlan": 0})).attachment.vlan == 300
    rig.script.vlans = ()
    assert rig.attach(_work("eth2")).attachment.vlan == 0


def test_pools_of_several_vlans_are_a_conflict_only_then(rig: _Rig) -> None:
    rig.script.vlans = (300, 400)
    with pytest.raises(Conflict, match="300, 400"):
        rig.attach()
    assert rig.script.log[-1] == "release"


def test_a_pool_vlan_on_a_type_without_vlans_is_unsupported(rig: _Rig) -> None:
    rig.script.has_vlans, rig.script.vlans = False, (300,)
    rig.pipeline._plugins.registry.drivers["toy"] = _registry().drivers["toy"]  # type: ignore[index]
    with pytest.raises(Unsupported, match="no VLANs"):
        rig.attach()


def test_the_toys_are_what_the_contract_asks_for(rig: _Rig) -> None:
    host = HostContext(node_name="n", run_dir=Path("/none"))
    assert _Toy(host).inventory(Call()) == Inventory()
