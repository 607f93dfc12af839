"""Which network gets which device. The source is a stand-in: what it knows, and when, is what these tests are about."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.devices import DeviceAllocator
from secnet.agent.model.record import Origin, Phase, Record
from secnet.agent.model.work import Changes, Rejected, Work
from secnet.agent.networks.desired import diff
from secnet.agent.networks.requests import is_outdated
from secnet.agent.state.journal import Journal
from secnet.contract import Call, Cancelled, DeviceRef, InvalidConfig, SecnetError, Timeout, Unavailable
from secnet_testing.contract_objects import record, selection_id, work

VF, SF = "example.com/vf", "example.com/sf"
POD: Mapping[str, Any] = {"metadata": {"name": "web", "namespace": "default", "uid": "uid-web"}}

Answer = dict[str, tuple[str, ...]] | SecnetError


class Source:
    """Gives its answers one after the other, the last one for ever."""

    def __init__(self, *answers: Answer, may_come: bool = True) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.comes = may_come

    def devices_of(self, pod: Mapping[str, Any], timeout: float | None = None) -> dict[str, tuple[str, ...]]:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, SecnetError):
            raise answer
        return answer

    def remedy(self, resource: str, count: int) -> str:
        return f"get {count} of {resource}"

    def may_come(self, pod: Mapping[str, Any], resource: str) -> bool:
        return self.comes


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


@pytest.fixture
def assign(journal: Journal) -> Callable[..., Changes]:
    def run(source: Source, *outcomes: Work, wait: Call | None = None) -> Changes:
        changes = diff(journal.of_pod("default", "web"), outcomes, "c1")
        return DeviceAllocator(source, journal).assign(POD, changes, "c1", wait)

    return run


def net(name: str, resource: str | None = VF, **rest: Any) -> Work:
    return replace(work(f"net-{name}", name=name, **rest), resource=resource)


def holding(name: str, device: str, resource: str = VF, **rest: Any) -> Record:
    made = record(f"net-{name}", name=name, locks=(device,), **rest)
    request = replace(made.attachment.request, device=DeviceRef(id=device, resource=resource))
    return made.replace(attachment=replace(made.attachment, request=request))


def given(changes: Changes) -> dict[str, str | None]:
    return {w.request.network.name: w.request.device.id if w.request.device else None for w in changes.attach}


def test_in_the_order_of_the_annotation(assign: Any) -> None:
    source = Source({VF: ("d1", "d2"), SF: ("s1",)})
    changes = assign(source, net("b"), net("plain", None), net("sf", SF), net("a"))
    assert given(changes) == {"b": "d1", "plain": None, "sf": "s1", "a": "d2"}
    assert changes.attach[0].request.device == DeviceRef(id="d1", resource=VF)
    assert source.asked == 1, "once for all networks"


def test_a_pod_without_devices_costs_no_question(assign: Any) -> None:
    source = Source(Unavailable("not to be asked"))
    assert given(assign(source, net("plain", None))) == {"plain": None}
    assert source.asked == 0


@pytest.mark.parametrize("phase", [Phase.PLANNED, Phase.ATTACHING, Phase.DETACHING])
def test_what_is_restarted_gets_the_device_that_it_had(assign: Any, journal: Journal, phase: Phase) -> None:
    """Also where the source is away."""
    journal.write(holding("a", "d2", phase=phase))
    journal.write(holding("b", "d1"))
    source = Source(Unavailable("away"))
    changes = assign(source, net("a"), net("b"))
    assert given(changes) == {"a": "d2"}
    assert [r.key.ifname for r in changes.remove] == ["net-a"]
    assert source.asked == 0


def test_two_networks_never_swap(assign: Any, journal: Journal) -> None:
    """The second one failed at first; then the first one is asked for again with another MAC."""
    source = Source({VF: ("d1", "d2")})
    journal.write(holding("b", "d1", selection_id=selection_id("b")))
    assert given(assign(source, net("a"), net("b"))) == {"a": "d2"}
    journal.write(holding("a", "d2", selection_id=selection_id("a")))
    changed = replace(net("b"), attachment_options={"mac": "02:00:00:00:00:09"})
    assert given(assign(source, net("a"), changed)) == {"b": "d1"}


def test_a_living_attachment_recreated_keeps_its_device(assign: Any, journal: Journal) -> None:
    journal.write(holding("a", "d2"))
    ((_, outcome),) = assign(Source({}), net("a")).keep
    assert outcome.request.device == DeviceRef(id="d2", resource=VF)


def test_a_device_of_another_resource_is_not_kept(assign: Any, journal: Journal) -> None:
    journal.write(holding("a", "s1", resource=SF, phase=Phase.ATTACHING))
    assert given(assign(Source({VF: ("d1",), SF: ("s1",)}), net("a"))) == {"a": "d1"}


def test_what_another_sandbox_had_is_of_no_owner(assign: Any, journal: Journal) -> None:
    journal.write(holding("a", "d2", container="old"))
    assert given(assign(Source({VF: ("d1", "d2")}), net("a"), net("b"))) == {"a": "d1", "b": "d2"}


def test_what_a_cni_caller_took_is_taken(assign: Any, journal: Journal) -> None:
    journal.write(holding("x", "d1", origin=Origin.CNI))
    assert given(assign(Source({VF: ("d1", "d2")}), net("a"))) == {"a": "d2"}


def test_devices_of_any_resource_come_last(assign: Any) -> None:
    changes = assign(Source({VF: ("d1",), "": ("x1", "x2")}), net("sf", SF), net("a"), net("b"))
    assert given(changes) == {"sf": "x1", "a": "d1", "b": "x2"}


def test_a_device_offered_twice_is_given_once(assign: Any) -> None:
    changes = assign(Source({VF: ("d1",), SF: ("d1", "d2")}), net("a"), net("sf", SF))
    assert given(changes) == {"a": "d1", "sf": "d2"}


def test_too_few_fails_only_those_that_go_without(assign: Any) -> None:
    changes = assign(Source({VF: ("d1",)}), net("a"), net("b"), net("plain", None))
    assert given(changes) == {"a": "d1", "plain": None}
    (refused,) = changes.rejected
    assert (refused.selection_id.network.name, refused.error.reason) == ("b", "NotReady")
    assert refused.error.message == f"it has 2 networks that need a device of resource {VF}, and was given 1"
    assert (refused.error.subject, refused.error.hint) == ("Pod default/web", f"get 2 of {VF}")


def test_the_count_has_the_living_ones_too(assign: Any, journal: Journal) -> None:
    journal.write(holding("a", "d1"))
    (refused,) = assign(Source({VF: ("d1",)}), net("a"), net("b")).rejected
    assert "2 networks" in refused.error.message


@pytest.mark.parametrize("error", [Unavailable("away"), InvalidConfig("bad annotation")])
def test_an_error_of_the_source_is_that_of_each_network(assign: Any, error: SecnetError) -> None:
    changes = assign(Source(error), net("a"), net("b"), net("plain", None))
    assert given(changes) == {"plain": None}
    assert [each.error for each in changes.rejected] == [error, error]
    assert all(isinstance(each, Rejected) and each.network_type == "toy" for each in changes.rejected)


def test_a_late_answer_is_waited_for(assign: Any) -> None:
    source = Source(Unavailable("away"), {}, {VF: ("d1",)})
    assert given(assign(source, net("a"), wait=Call.within(60))) == {"a": "d1"}
    assert source.asked == 3


def test_without_a_call_it_asks_once(assign: Any) -> None:
    source = Source({}, {VF: ("d1",)})
    assert "was given none" in assign(source, net("a")).rejected[0].error.message
    assert source.asked == 1


def test_no_wait_where_nothing_can_come(assign: Any) -> None:
    source = Source({}, {VF: ("d1",)}, may_come=False)
    assert assign(source, net("a"), wait=Call.within(60)).rejected
    assert source.asked == 1


def test_a_part_of_what_is_asked_for_is_an_answer(assign: Any) -> None:
    source = Source({VF: ("d1",)})
    assert assign(source, net("a"), net("b"), wait=Call.within(60)).rejected
    assert source.asked == 1


def test_the_wait_ends_with_the_error_of_the_source(assign: Any) -> None:
    """Well before the call does: it is to say why."""
    (refused,) = assign(Source({}), net("a"), wait=Call.within(0.35)).rejected
    assert "was given none" in refused.error.message


class Patient(Call):
    """A call whose pauses take none of the test's time, but of a clock of its own."""

    now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Hanging(Source):
    """A source that never answers: each question takes the time that it may take, or 5 s."""

    def __init__(self, wait: Patient) -> None:
        super().__init__(Timeout("no answer"))
        self.wait = wait

    def devices_of(self, pod: Mapping[str, Any], timeout: float | None = None) -> dict[str, tuple[str, ...]]:
        self.wait.now += 5.0 if timeout is None else min(5.0, timeout)
        return super().devices_of(pod)


@pytest.mark.parametrize(("has", "most"), [(60, 10), (7, 7)])
def test_questions_that_hang_take_no_longer_than_pauses_may(journal: Journal, has: float, most: float) -> None:
    wait = Patient.within(has)
    source = Hanging(wait)
    allocator = DeviceAllocator(source, journal, clock=lambda: wait.now)
    changes = allocator.assign(POD, diff((), (net("a"),), "c1"), "c1", wait)
    assert [each.error.reason for each in changes.rejected] == ["Timeout"]
    assert source.asked > 1
    assert wait.now <= most


def test_a_call_that_is_withdrawn(assign: Any) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        assign(Source({}), net("a"), wait=Call.within(60, cancel=cancel))


def test_a_nad_of_another_resource_outdates_what_it_made() -> None:
    living = holding("a", "d1").replace(ipam=None)
    same, other = net("a"), net("a", SF)
    assert [is_outdated(living, each) for each in (same, other)] == [False, True]
