"""The order of work and the one undo path, with plugins whose every failure can be provoked.

The real ones run through the same pipeline in the crash tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from secnet.agent.model.record import Phase
from secnet.contract import (
    Attachment,
    AttachResult,
    Busy,
    Call,
    Cancelled,
    CheckReport,
    Conflict,
    ContractViolation,
    DeviceRef,
    Finding,
    HostContext,
    Inventory,
    SecnetError,
    Timeout,
    Unsupported,
    VerifyFailed,
    thaw,
)
from secnet_testing.contract_objects import request
from secnet_testing.scripted_plugins import Rig, fail, make_rig, toy_registry, toy_work


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return make_rig(tmp_path)


def test_the_order_of_work_and_of_removal(rig: Rig) -> None:
    record = rig.attach()
    assert rig.script.log == ["plan", "allocate", "attach", "check"]
    assert (record.phase, rig.journal.records()) == (Phase.ATTACHED, (record,))
    rig.script.log.clear()
    rig.pipeline.detach(record, Call.within(5))
    assert rig.script.log == ["detach", "release"], "the link goes before the address"
    assert rig.journal.records() == ()


@pytest.mark.parametrize("method", ["allocate", "attach", "check"])
@pytest.mark.parametrize("error", [Busy("x"), Conflict("x"), Cancelled("x"), RuntimeError("x")])
def test_any_failure_is_undone_by_detach_and_release(rig: Rig, method: str, error: Exception) -> None:
    rig.script.instead[method] = fail(error)
    with pytest.raises(type(error) if isinstance(error, SecnetError) else ContractViolation):
        rig.attach()
    assert rig.script.log[-2:] == ["detach", "release"]
    assert rig.journal.records() == ()


def test_a_bound_attachment_may_be_refused_before_anything_is_made(rig: Rig) -> None:
    """For what a plan cannot know, such as the VLAN of its pools."""
    rig.script.vlans, rig.script.instead["admit"] = (7,), fail(Busy("another one is on this VLAN"))
    with pytest.raises(Busy, match="on this VLAN"):
        rig.attach()
    assert rig.script.log == ["plan", "allocate", "admit", "detach", "release"]
    assert rig.journal.records() == ()


def test_an_advisory_finding_does_not_keep_an_interface_from_being_attached(rig: Rig) -> None:
    note = Finding(code="DuplicateMac", message="another one has it", repairable=False, advisory=True)
    rig.script.instead["check"] = lambda: CheckReport(findings=(note,))
    record = rig.attach()
    assert record.phase == Phase.ATTACHED
    assert rig.pipeline.check(record, Call.within(5)).findings == (note,)


def test_a_failure_before_the_record_needs_no_undo(rig: Rig) -> None:
    rig.script.instead["plan"] = fail(Conflict("x"))
    with pytest.raises(Conflict):
        rig.attach()
    assert rig.script.log == ["plan"]


@pytest.mark.parametrize("method", ["detach", "release"])
def test_a_failing_undo_keeps_the_record_and_can_be_repeated(rig: Rig, method: str) -> None:
    rig.script.instead |= {"attach": fail(Busy("first")), method: fail(Busy("second"))}
    with pytest.raises(Busy, match="first"):
        rig.attach()
    (record,) = rig.journal.records()
    assert record.phase == Phase.DETACHING
    rig.script.instead.clear()
    rig.pipeline.detach(record, Call.within(5))
    assert rig.journal.records() == ()


def test_the_record_is_written_before_each_act(rig: Rig) -> None:
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
def test_a_plugin_that_returns_nothing_is_named(rig: Rig, method: str) -> None:
    rig.script.instead[method] = lambda: None
    with pytest.raises(ContractViolation, match=r"\(toy-dist 1\.2\) returned None from " + method):
        rig.attach()


def test_a_plugin_that_raises_something_else_is_named(rig: Rig) -> None:
    rig.script.instead["attach"] = fail(KeyError("x"))
    with pytest.raises(ContractViolation, match=r"driver toy \(toy-dist 1\.2\) raised KeyError from attach"):
        rig.attach()


def test_a_plan_for_another_request_is_refused(rig: Rig) -> None:
    rig.script.instead["plan"] = lambda: Attachment(request=request("eth9"))
    with pytest.raises(ContractViolation, match="changed the request"):
        rig.attach()


def test_what_does_not_read_back_as_written_fails(rig: Rig) -> None:
    rig.script.instead["check"] = lambda: CheckReport(findings=(Finding(code="X", message="tag is 7"),))
    with pytest.raises(VerifyFailed, match="tag is 7"):
        rig.attach()
    assert rig.journal.records() == ()


def test_an_exclusive_resource_of_another_record_is_busy(rig: Rig) -> None:
    rig.script.locks = ("pci:1",)
    rig.attach()
    with pytest.raises(Busy, match=r"pci:1 still belongs to Pod default/web interface eth1"):
        rig.attach(toy_work("eth2"))


def test_a_device_is_exclusive_whether_the_driver_says_so_or_not(rig: Rig) -> None:
    device = DeviceRef(id="0000:3b:02.1", resource="example.com/vf")
    rig.script.locks = ("port:1",)
    assert rig.attach(toy_work(device=device)).locks == ("port:1", "0000:3b:02.1")
    rig.script.locks = ("0000:3b:02.1",)
    for run in (rig.pipeline.attach, rig.pipeline.plan):
        with pytest.raises(Busy, match=r"^Busy: 0000:3b:02\.1 still belongs to Pod default/web interface eth1"):
            run(toy_work("eth2", device=device), Call.within(5))
    rig.script.locks = ("0000:3b:02.2",)
    assert rig.attach(toy_work("eth3", device=DeviceRef(id="0000:3b:02.2"))).locks == ("0000:3b:02.2",), "once"


def test_what_no_record_knows_is_detached_unless_one_does_by_now(rig: Rig) -> None:
    device = DeviceRef(id="0000:3b:02.1")
    found = Attachment(request=request(container="old", device=device))
    assert rig.pipeline.detach_unrecorded(found, Call.within(5), wait=True)
    record = rig.attach(toy_work(device=device))
    rig.script.log.clear()
    assert not rig.pipeline.detach_unrecorded(found, Call.within(5), wait=True), "its device is another's now"
    assert not rig.pipeline.detach_unrecorded(Attachment(request=request()), Call.within(5), wait=True), "its own"
    assert (rig.script.log, rig.journal.records()) == ([], (record,))


@pytest.mark.parametrize(("wait", "error"), [(True, Timeout), (False, Busy)])
@pytest.mark.parametrize("method", ["plan", "attach", "detach"])
def test_what_no_record_knows_is_not_detached_beside_work_on_the_same_interface(
    rig: Rig, method: str, wait: bool, error: type[SecnetError]
) -> None:
    """Also where it takes nothing alone."""
    found = Attachment(request=request())

    def meanwhile() -> Any:
        with pytest.raises(error):
            rig.pipeline.detach_unrecorded(found, Call.within(0.1 if wait else 60), wait=wait)
        return {"plan": found, "attach": AttachResult(netdev=False), "detach": None}[method]

    rig.script.instead[method] = meanwhile
    rig.pipeline.detach(rig.attach(), Call.within(5))
    assert rig.script.detached == [found.key], "by the pipeline's own detach"


@pytest.mark.parametrize("said", [None, {"type": "pci", "version": "1.1.0", "pci": {"pci-address": "x"}}])
def test_a_pci_device_is_reported_where_the_driver_does_not(rig: Rig, said: Any) -> None:
    rig.script.instead["attach"] = lambda: AttachResult(netdev=False, device_info=said)
    result = rig.attach(toy_work(device=DeviceRef(id="0000:3b:02.1"))).result
    own = {"type": "pci", "version": "1.1.0", "pci": {"pci-address": "0000:3b:02.1"}}
    assert thaw(result.device_info) == (said or own)
    assert rig.attach(toy_work("eth2", device=DeviceRef(id="mlx5_core.sf.4"))).result.device_info == said
    assert rig.attach(toy_work("eth3")).result.device_info == said


def test_a_record_of_another_boot_is_released_but_not_detached(rig: Rig) -> None:
    record = rig.attach().replace(boot_id="older")
    rig.journal.write(record)
    rig.script.log.clear()
    rig.pipeline.detach(record, Call.within(5))
    assert rig.script.log == ["release"]


def test_the_vlan_of_the_nad_wins_over_that_of_the_pools(rig: Rig) -> None:
    rig.script.vlans = (300, 400)
    assert rig.attach(toy_work(options={"vlan": 100})).attachment.vlan == 100


def test_the_vlan_of_the_pools_counts_where_the_nad_has_none(rig: Rig) -> None:
    rig.script.vlans = (300,)
    assert rig.attach(toy_work(options={"vlan": 0})).attachment.vlan == 300
    rig.script.vlans = ()
    assert rig.attach(toy_work("eth2")).attachment.vlan == 0


def test_pools_of_several_vlans_are_a_conflict_only_then(rig: Rig) -> None:
    rig.script.vlans = (300, 400)
    with pytest.raises(Conflict, match="300, 400"):
        rig.attach()
    assert rig.script.log[-1] == "release"


def test_a_pool_vlan_on_a_type_without_vlans_is_unsupported(rig: Rig) -> None:
    rig.script.has_vlans, rig.script.vlans = False, (300,)
    rig.pipeline._plugins.registry.drivers["toy"] = toy_registry(rig.script).drivers["toy"]  # type: ignore[index]
    with pytest.raises(Unsupported, match="no VLANs"):
        rig.attach()


def test_the_toys_are_what_the_contract_asks_for(rig: Rig) -> None:
    host = HostContext(node_name="n", run_dir=Path("/none"))
    assert toy_registry(rig.script).drivers["toy"].cls(host).inventory(Call()) == Inventory()
