"""What makes an agent unready."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from secnet.agent.observe.health import Heartbeats
from secnet.agent.observe.monitoring import Monitoring
from secnet.agent.plugins import calls as module
from secnet.agent.plugins.calls import PluginCalls
from secnet.contract import Call
from secnet_testing.scripted_plugins import Script, toy_registry


def test_an_agent_is_ready_only_when_calls_need_not_wait_for_its_recovery() -> None:
    """Over stand-ins: a recovery that is begun and not done lasts for a moment in a real agent."""
    chain = ""
    unknown = [""]
    controller = SimpleNamespace(started=False, recovered=threading.Event())
    nothing = SimpleNamespace(
        unreachable=lambda: None,
        unknown_kinds=lambda: unknown[0],
        missing=lambda: None,
        refusal=lambda: None,
        unready=lambda: (),
        calls=PluginCalls(),
    )
    parts: dict[str, Any] = dict.fromkeys(
        ("cluster", "journal", "reports", "node", "beats", "antrea", "own_node", "plugins"), nothing
    )
    monitoring = Monitoring(controller=controller, chain_unready=lambda: chain, **parts)  # type: ignore[arg-type]
    assert list(monitoring.unready()) == ["recovery is not done yet"]
    controller.started = True
    assert list(monitoring.unready()) == ["recovery is not done yet"]
    controller.recovered.set()
    assert list(monitoring.unready()) == []
    chain = "the CNI plugin is not in"
    assert list(monitoring.unready()) == ["the CNI plugin is not in"]
    chain = ""
    controller.started = False
    assert list(monitoring.unready()) == ["recovery is not done yet"]
    controller.started, unknown[0] = True, "there are no IPPools"
    assert list(monitoring.unready()) == ["there are no IPPools"]


def test_a_plugin_that_hangs_makes_an_agent_unready_and_not_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over stand-ins. Patched: the time after the deadline, or the test would take three seconds."""
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.02)
    gate, calls, beats, of_node = threading.Event(), PluginCalls(), Heartbeats(), list[str]()
    recovered = threading.Event()
    recovered.set()
    nothing = SimpleNamespace(
        unreachable=lambda: None,
        unknown_kinds=lambda: None,
        missing=lambda: None,
        refusal=lambda: None,
        unready=lambda: of_node,
        calls=calls,
    )
    parts: dict[str, Any] = dict.fromkeys(
        ("cluster", "journal", "reports", "node", "antrea", "own_node", "plugins"), nothing
    )
    controller: Any = SimpleNamespace(started=True, recovered=recovered, queue=SimpleNamespace(age=lambda: 0.0))
    parts["journal"] = SimpleNamespace(records=tuple)
    parts["reports"] = SimpleNamespace(pods=tuple)
    monitoring = Monitoring(controller=controller, beats=beats, **parts)
    driver = toy_registry(Script()).drivers["toy"]
    beats.beat("poll_loop", 3600)
    thread = threading.Thread(
        target=lambda: calls.held(driver, "attach", lambda: gate.wait(30), Call.within(0.01), None)
    )
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not calls.stuck() and time.monotonic() < deadline:
            time.sleep(0.005)
        (reason,) = monitoring.unready()
        assert reason.startswith("network type toy: driver toy (toy-dist 1.2) has not returned from attach")
        assert monitoring.stuck() == []
        assert list(monitoring.sources().stuck_calls()) == [("network_type", "toy", "toy-dist", "attach")]
        of_node.append(f"network type toy: PluginStuck: {calls.stuck()[0]}")
        assert list(monitoring.unready()) == of_node, "it is said once"
        of_node.clear()
        beats.beat("poll_loop", -1)
        assert len(monitoring.stuck()) == 1
    finally:
        gate.set()
        thread.join(10)
    assert list(monitoring.unready()) == []
