"""What the keeper of per-node state says about its readiness."""

from __future__ import annotations

from pathlib import Path

from secnet.agent.attach.node_state import NodeStateReconciler
from secnet.agent.attach.plugin_calls import Plugins
from secnet.agent.config.settings import Settings
from secnet.agent.state.reports import Reports
from secnet.contract import Call
from secnet_testing.scripted_plugins import Script, toy_registry


def test_it_is_not_ready_before_its_first_round(tmp_path: Path) -> None:
    settings = Settings(node_name="n")
    keeper = NodeStateReconciler(
        plugins=Plugins(toy_registry(Script()), settings, objects=None),  # type: ignore[arg-type]
        settings=settings,
        reports=Reports(tmp_path),
        on_ready=lambda network_type: None,
    )
    assert keeper.unready() == ["the per-node state of the drivers is not made yet"]
    assert keeper.reconcile(Call.within(5))
    assert keeper.unready() == []
