"""Calls into plugins that do not return: what is said of them, and who waits for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from secnet.agent.plugins import calls as module
from secnet.agent.plugins.calls import MOST_STUCK, PluginCalls, PluginStuck, Subject
from secnet.agent.plugins.plugin import LoadedPlugin
from secnet.contract import AttachmentId, Call, Cancelled, PodRef
from secnet_testing.scripted_plugins import Script, toy_registry

PLUGIN: LoadedPlugin[Any] = toy_registry(Script()).drivers["toy"]
OTHER: LoadedPlugin[Any] = toy_registry(Script()).backends["pool"]
SUBJECT = Subject(
    key=AttachmentId(container_id="c1", ifname="eth1"), pod=PodRef(namespace="default", name="web", uid="u1")
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patched: or each test would take three seconds."""
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.02)


@pytest.fixture
def calls() -> PluginCalls:
    return PluginCalls()


def wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "the condition was not reached in 10 s"
        time.sleep(0.005)


@contextmanager
def hanging(
    calls: PluginCalls,
    count: int = 1,
    *,
    plugin: LoadedPlugin[Any] = PLUGIN,
    call: Call | None = None,
    deed: Callable[[Call], object] = lambda call: None,
) -> Iterator[threading.Event]:
    """So many calls that hold a Pod each and do not return before the event is set; all are beyond their deadline."""
    gate = threading.Event()
    context = call or Call.within(0.1, observers=(calls,))

    def hang() -> None:
        deed(context)
        gate.wait(30)

    threads = [
        threading.Thread(target=lambda: calls.held(plugin, "attach", hang, context, SUBJECT)) for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        wait(lambda: len(calls.stuck()) >= count)
        yield gate
    finally:
        gate.set()
        for thread in threads:
            thread.join(10)


def test_a_call_that_returns_in_time_is_nothing_to_speak_of(calls: PluginCalls) -> None:
    assert calls.held(PLUGIN, "attach", lambda: 7, Call.within(5), SUBJECT) == 7
    assert calls.apart(PLUGIN, "probe", lambda: 8, 5.0) == 8
    assert (calls.stuck(), calls.off()) == ((), {})


def test_a_stuck_call_is_named_with_all_that_is_known(calls: PluginCalls) -> None:
    def deed(call: Call) -> None:
        with call.step("veth.create"):
            pass
        with call.step("veth.move"):
            pass

    with hanging(calls, deed=deed):
        (stuck,) = calls.stuck()
        assert (stuck.kind, stuck.name, stuck.distribution, stuck.method) == (
            "network_type",
            "toy",
            "toy-dist",
            "attach",
        )
        assert (stuck.last_step, stuck.subject) == ("veth.move", SUBJECT)
        assert str(stuck) == (
            "driver toy (toy-dist 1.2) has not returned from attach, which had 0.1 s; its last step was veth.move"
        )
        assert isinstance(stuck.error, PluginStuck)
        assert stuck.error.retryable
    assert calls.stuck() == ()


def test_a_call_before_its_deadline_is_not_stuck(calls: PluginCalls) -> None:
    def look() -> Any:
        return calls.stuck()

    assert calls.held(PLUGIN, "attach", look, Call.within(60), SUBJECT) == ()


def test_a_withdrawn_call_is_stuck_when_it_goes_on(calls: PluginCalls) -> None:
    cancel = threading.Event()
    cancel.set()
    with hanging(calls, call=Call.within(3600, cancel=cancel)):
        assert len(calls.stuck()) == 1


def test_what_is_called_apart_is_left_behind(calls: PluginCalls) -> None:
    gate = threading.Event()
    try:
        with pytest.raises(PluginStuck, match=r"driver toy \(toy-dist 1\.2\) has not returned from probe"):
            calls.apart(PLUGIN, "probe", lambda: gate.wait(30), 0.01)
        before = threading.active_count()
        with pytest.raises(PluginStuck, match="probe"):
            calls.apart(PLUGIN, "probe", lambda: gate.wait(30), 0.01)
        assert threading.active_count() == before, "it is not called again before it returns"
        assert calls.apart(PLUGIN, "doctor", lambda: "well", 5.0) == "well"
        assert calls.apart(OTHER, "probe", lambda: "well", 5.0) == "well"
        assert [each.method for each in calls.stuck()] == ["probe"]
    finally:
        gate.set()
    wait(lambda: calls.stuck() == ())
    assert calls.apart(PLUGIN, "probe", lambda: "back", 5.0) == "back"


def test_two_calls_of_one_method_may_be_under_way(calls: PluginCalls) -> None:
    """As when two threads examine a NAD each."""
    both = threading.Barrier(2)
    other = threading.Thread(target=lambda: calls.apart(PLUGIN, "validate", lambda: both.wait(10), 10.0))
    other.start()
    calls.apart(PLUGIN, "validate", lambda: both.wait(10), 10.0)
    other.join(10)
    assert not both.broken


def test_the_end_of_the_agent_does_not_wait_for_what_is_called_apart(calls: PluginCalls) -> None:
    cancel, gate = threading.Event(), threading.Event()
    cancel.set()
    try:
        with pytest.raises(PluginStuck):
            calls.apart(PLUGIN, "reconcile_node", lambda: gate.wait(30), Call.within(3600, cancel=cancel))
    finally:
        gate.set()


def test_what_is_raised_apart_comes_out(calls: PluginCalls) -> None:
    def fail() -> None:
        raise Cancelled("withdrawn")

    with pytest.raises(Cancelled, match="withdrawn"):
        calls.apart(PLUGIN, "reconcile_node", fail, Call.within(5))
    assert calls.stuck() == ()


def test_with_many_stuck_calls_the_plugin_is_off_until_one_returns(calls: PluginCalls) -> None:
    with hanging(calls, MOST_STUCK) as gate:
        (reason,) = calls.off().values()
        assert list(calls.off()) == ["network type toy"]
        assert reason == f"driver toy (toy-dist 1.2) is off: {MOST_STUCK} calls of it have not returned (attach)"
        with pytest.raises(PluginStuck, match="is off"):
            calls.held(PLUGIN, "plan", lambda: None, Call.within(5), SUBJECT)
        assert calls.held(OTHER, "allocate", lambda: 1, Call.within(5), SUBJECT) == 1
        gate.set()
        wait(lambda: not calls.stuck())
        assert calls.off() == {}
        assert calls.held(PLUGIN, "plan", lambda: 2, Call.within(5), SUBJECT) == 2


def test_with_fewer_it_is_still_asked(calls: PluginCalls) -> None:
    with hanging(calls, MOST_STUCK - 1):
        assert calls.off() == {}
        assert calls.held(PLUGIN, "plan", lambda: 2, Call.within(5), SUBJECT) == 2


def test_it_says_which_thread_is_stuck(calls: PluginCalls) -> None:
    gate = threading.Event()
    thread = threading.Thread(
        target=lambda: calls.held(PLUGIN, "detach", lambda: gate.wait(30), Call.within(0.01), SUBJECT)
    )
    thread.start()
    try:
        wait(lambda: calls.is_stuck(thread))
        assert not calls.is_stuck(threading.current_thread())
    finally:
        gate.set()
        thread.join(10)
    assert not calls.is_stuck(thread)


def test_a_call_within_a_call_leaves_the_outer_one_known(calls: PluginCalls) -> None:
    seen: list[str] = []

    def outer() -> None:
        calls.held(OTHER, "check", lambda: None, Call.within(5), None)
        time.sleep(0.05)
        seen.extend(each.method for each in calls.stuck())

    calls.held(PLUGIN, "attach", outer, Call.within(0.0), SUBJECT)
    assert seen == ["attach"]
