"""What callers of the CNI plugin made is checked like everything else; only its host's side is repaired, and in place."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.model.pod import PodKey
from secnet.agent.model.record import Origin, Phase, Record
from secnet.agent.networks.nad_cache import NadCache
from secnet.agent.pods.asked_networks import AskedNetworks
from secnet.agent.pods.single_checks import SingleChecks, queue_key
from secnet.agent.sandboxes.pod_table import PodTable
from secnet.agent.state.reports import Reports
from secnet.contract import Call, CheckReport, ErrorInfo, Finding, Timeout, Unavailable
from secnet_testing.contract_objects import POD
from secnet_testing.scripted_plugins import Rig, fail, make_rig, make_worker, toy_registry, toy_work

DOWN = CheckReport(findings=(Finding(code="LinkDown", message="net1 is down", repairable=True, in_pod=True),))
NO_PORT = CheckReport(findings=(Finding(code="PortMissing", message="no port"),))
LOST = CheckReport(findings=(Finding(code="NoLease", message="the pool lost it", repairable=False),))


class Scene:
    """One network that a caller made. busy: whether its Pod is worked on; held: by what the queue was asked."""

    def __init__(self, folder: Path) -> None:
        self.rig: Rig = make_rig(folder / "journal")
        self.reports = Reports(folder)
        self.pods = PodTable("node-1")
        self.nads = NadCache(toy_registry(self.rig.script))
        self.events: list[tuple[str, str]] = []
        self.busy = False
        self.cut_off: ErrorInfo | None = None
        self.held: list[PodKey] = []
        self.record: Record = self.rig.attach(replace(toy_work(), origin=Origin.CNI))
        self.rig.script.log.clear()
        self.asked = AskedNetworks(self.pods, self.nads, self.record_event)
        self.checks = SingleChecks(
            worker=make_worker(self.rig, cut_off=lambda key: self.cut_off),
            journal=self.rig.journal,
            reports=self.reports,
            hold=self.hold,
            asked=self.asked,
        )

    def record_event(self, pod: Any, *, warning: bool, reason: str, message: str) -> None:
        self.events.append((reason, message))

    def hold(self, key: PodKey, call: Call) -> AbstractContextManager[None]:
        self.held.append(key)
        if self.busy:
            raise Timeout("the Pod is being worked on")
        return nullcontext()

    def found(self) -> list[tuple[str, str, str]]:
        """Reason, message and remedy of what a look at all finds."""
        self.checks.check(self.rig.journal.of_cni())
        return [
            (item.error.reason, item.error.message, item.error.hint) for item in self.reports.single() if item.error
        ]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_what_the_node_cuts_off_has_its_remedy_at_the_node(scene: Scene) -> None:
    scene.cut_off = ErrorInfo(reason="Degraded", message="cut off: uplink up0 is down", hint="nothing at the Pod")
    assert scene.found() == [("Degraded", "cut off: uplink up0 is down", "nothing at the Pod")]


def test_what_deviates_is_shown_until_it_is_right_again_and_left_alone(scene: Scene) -> None:
    assert scene.found() == []
    scene.rig.script.instead["check"] = lambda: DOWN
    ((reason, message, hint),) = scene.found()
    assert (reason, message) == ("Degraded", "net1 is down")
    assert "delete the Pod" in hint
    assert scene.rig.journal.records() == (scene.record,)
    assert not {"detach", "attach"} & set(scene.rig.script.log)
    del scene.rig.script.instead["check"]
    assert scene.found() == []
    assert set(scene.held) == {(POD.namespace, POD.name)}, "no one else works on the Pod meanwhile"


def test_a_lost_lease_is_listed_again(scene: Scene) -> None:
    scene.rig.script.asked_for.clear()
    scene.rig.script.instead["check_lease"] = lambda: LOST
    assert scene.found() == []
    assert scene.rig.script.asked_for == [("10.0.0.2/24",)]


def test_a_lease_that_cannot_be_listed_again_is_reported(scene: Scene) -> None:
    scene.rig.script.instead |= {"check_lease": lambda: LOST, "allocate": fail(Unavailable("there is no pool"))}
    ((reason, message, _),) = scene.found()
    assert reason == "LeaseNotListed"
    assert "there is no pool" in message


def test_a_check_that_fails_is_reported(scene: Scene) -> None:
    scene.rig.script.instead["check"] = fail(Unavailable("the switch does not answer"))
    assert [reason for reason, *_ in scene.found()] == ["Unavailable"]


def test_a_pod_that_is_worked_on_is_checked_the_next_time(scene: Scene) -> None:
    scene.rig.script.instead["check"] = lambda: DOWN
    before = scene.found()
    scene.busy = True
    scene.rig.script.log.clear()
    assert scene.found() == before
    assert scene.rig.script.log == []


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "being removed"])
def test_what_has_ended_is_shown_no_longer(scene: Scene, gone: bool) -> None:
    scene.rig.script.instead["check"] = lambda: DOWN
    assert scene.found()
    if gone:
        scene.rig.journal.remove(scene.record.key)
    else:
        scene.rig.journal.write(scene.record.replace(phase=Phase.DETACHING))
    assert scene.found() == []


def test_a_sandbox_without_a_pod_is_held_by_itself() -> None:
    assert queue_key("c1", None) == ("", "c1")


def _known(scene: Scene, config: dict[str, Any], **selection: Any) -> None:
    """The Pod and the NAD of the network, as the watches have them."""
    scene.nads.update({"metadata": {"namespace": "default", "name": "blue"}, "spec": {"config": json.dumps(config)}})
    annotations = {"k8s.v1.cni.cncf.io/networks": json.dumps([{"name": "blue", **selection}])}
    meta = {"namespace": POD.namespace, "name": POD.name, "uid": POD.uid, "annotations": annotations}
    scene.pods.update({"metadata": meta})


def test_what_the_caller_did_not_pass_on_is_shown_and_reported_in_one_event(scene: Scene) -> None:
    config = {"cniVersion": "1.0.0", "name": "blue", "type": "secnet", "networkType": "toy"}
    _known(scene, config, mac="02:00:00:00:00:07")
    assert [reason for reason, *_ in scene.found()] == ["CapabilityNotDeclared"]
    assert [reason for reason, *_ in scene.found()] == ["CapabilityNotDeclared"]
    assert [reason for reason, _ in scene.events] == ["CapabilityNotDeclared"]
    scene.rig.script.instead["check"] = lambda: DOWN
    assert [reason for reason, *_ in scene.found()] == ["Degraded"], "drift matters more"


def test_what_was_found_goes_with_the_attachment(scene: Scene) -> None:
    """The next one has the same key, and its first check may be a minute away."""
    scene.rig.script.instead["check"] = lambda: DOWN
    assert len(scene.found()) == 1
    scene.rig.pipeline.detach(scene.record, Call.within(5))
    assert scene.reports.single() == ()


def test_of_an_attachment_that_ended_before_its_first_check_nothing_is_remembered(scene: Scene) -> None:
    config = {"cniVersion": "1.0.0", "name": "blue", "type": "secnet", "networkType": "toy"}
    _known(scene, config, mac="02:00:00:00:00:07")
    for _ in range(2):
        scene.asked.note(scene.record)
        scene.rig.pipeline.detach(scene.record, Call.within(5))
    assert len(scene.events) == 2


def test_what_later_plugins_of_a_chain_change_in_the_pod_is_no_drift(scene: Scene) -> None:
    """Also where the NAD became known after the attach."""
    changed = CheckReport(findings=(Finding(code="WrongMac", message="another MAC", in_pod=True),))
    scene.rig.script.instead["check"] = lambda: changed
    assert [reason for reason, *_ in scene.found()] == ["Degraded"]
    plugins = [{"type": "secnet", "networkType": "toy"}, {"type": "tuning"}]
    _known(scene, {"cniVersion": "1.0.0", "name": "blue", "plugins": plugins})
    assert scene.found() == []
    scene.rig.script.instead["check"] = lambda: NO_PORT
    assert [reason for reason, *_ in scene.found()] == ["VerifyFailed"], "the host's side counts"


def test_the_hosts_side_is_repaired_in_place_and_never_by_a_detach(scene: Scene) -> None:
    script = scene.rig.script
    script.instead["check"] = lambda: CheckReport() if "attach" in script.log else NO_PORT
    script.log.clear()
    assert scene.found() == []
    assert [act for act in script.log if act not in ("check", "check_lease")] == ["attach"]
    script.instead["check"] = lambda: NO_PORT
    script.log.clear()
    assert [reason for reason, *_ in scene.found()] == ["VerifyFailed"]
    assert "detach" not in script.log


def test_a_use_in_the_pod_is_shown(scene: Scene) -> None:
    scene.rig.script.instead["check"] = lambda: CheckReport(in_use="in use by the bridge k6t in the Pod, as net1-nic")
    assert scene.found() == []
    ((in_use),) = [single.in_use for single in scene.reports.single()]
    assert in_use == "in use by the bridge k6t in the Pod, as net1-nic"
