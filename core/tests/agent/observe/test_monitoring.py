"""What makes an agent unready."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from secnet.agent.observe.monitoring import Monitoring


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
        attach_timeout=1.0,
    )
    parts: dict[str, Any] = dict.fromkeys(
        ("cluster", "journal", "reports", "node", "beats", "antrea", "own_node", "settings", "plugins"), nothing
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
