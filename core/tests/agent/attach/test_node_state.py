"""What the keeper of per-node state says about its readiness."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.attach.node_state import NodeStateReconciler
from secnet.agent.attach.plugin_calls import Plugins
from secnet.agent.config.settings import Settings
from secnet.agent.model.report import NodeState
from secnet.agent.plugins.registry import Registry
from secnet.agent.state.reports import Reports
from secnet.contract import (
    Call,
    Cancelled,
    ComponentState,
    NetworkDriver,
    NodeComponent,
    NodeObservation,
    NodeReport,
    NotReady,
    Unavailable,
    from_json,
    to_json,
)
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


SETTINGS = Settings(node_name="n", drivers={"toy": {"bridge": "br0"}})
BRIDGE = NodeComponent(kind="bridge", name="br0", state=ComponentState.DOWN, message="gone", facts={"mtu": 1500})


def registry_of(**methods: Any) -> Registry:
    """The toys; the driver has these methods."""
    toys = toy_registry(Script())
    plugin = toys.drivers["toy"]
    cls: Any = type("Toy", (plugin.cls,), methods)
    return dataclasses.replace(toys, drivers={"toy": dataclasses.replace(plugin, cls=cls)})


def plugins_of(**methods: Any) -> Plugins:
    return Plugins(registry_of(**methods), SETTINGS, objects=None)  # type: ignore[arg-type]  # no toy asks for objects


def reconciled(tmp_path: Path, **methods: Any) -> NodeState:
    """The report after one round."""
    settings = dataclasses.replace(SETTINGS, state_dir=tmp_path / "state")
    reports = Reports(tmp_path)
    NodeStateReconciler(
        plugins=plugins_of(**methods), settings=settings, reports=reports, on_ready=lambda network_type: None
    ).reconcile(Call.within(5))
    (state,) = reports.node()
    return state


def see(driver: NetworkDriver, call: Call) -> NodeObservation:
    return NodeObservation(components=(BRIDGE,))


def test_what_a_driver_sees_of_the_node_is_in_its_report(tmp_path: Path) -> None:
    state = reconciled(tmp_path, observe_node=see)
    assert state.observation.components == (BRIDGE,)
    assert from_json(NodeState, to_json(state)) == state


def test_it_is_there_too_when_the_node_could_not_be_reconciled(tmp_path: Path) -> None:
    def fail(driver: NetworkDriver, desired: Mapping[str, Any], call: Call) -> NodeReport:
        raise NotReady("no uplink")

    state = reconciled(tmp_path, observe_node=see, reconcile_node=fail)
    assert (state.error and state.error.reason, state.observation.components) == ("NotReady", (BRIDGE,))


def test_a_driver_that_cannot_look_is_not_unready_for_that(tmp_path: Path) -> None:
    def fail(driver: NetworkDriver, call: Call) -> NodeObservation:
        raise Unavailable("away")

    state = reconciled(tmp_path, observe_node=fail)
    assert (state.error, state.report.ready, state.observation) == (None, True, NodeObservation())


@pytest.mark.parametrize("method", ["reconcile_node", "observe_node"])
def test_the_end_of_the_agent_leaves_the_report_as_it_was(tmp_path: Path, method: str) -> None:
    """A round that is cancelled by the agent's stop knows nothing new."""
    ending: list[bool] = []

    def cancelled(result: Any) -> Any:
        if ending:
            raise Cancelled("the work was withdrawn")
        return result

    methods = {
        "reconcile_node": lambda driver, desired, call: NodeReport(details={"round": 1}),
        "observe_node": see,
    }
    inner = methods[method]
    methods[method] = lambda *arguments: cancelled(inner(*arguments))
    settings, reports = dataclasses.replace(SETTINGS, state_dir=tmp_path / "state"), Reports(tmp_path)
    reconciler = NodeStateReconciler(
        plugins=plugins_of(**methods), settings=settings, reports=reports, on_ready=lambda network_type: None
    )
    assert reconciler.reconcile(Call.within(5))
    before = reports.node()
    ending.append(True)
    assert not reconciler.reconcile(Call.within(5))
    assert reports.node() == before
    assert reconciler.unready() == []
