"""What the keeper of per-node state says about its readiness."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.attach.node_state import NodeStateReconciler
from secnet.agent.attach.plugin_calls import Plugins
from secnet.agent.config.settings import Settings
from secnet.agent.model.report import NodeState
from secnet.agent.plugins import calls
from secnet.agent.plugins.registry import Registry
from secnet.agent.state.journal import Journal
from secnet.agent.state.reports import Reports
from secnet.contract import (
    Call,
    Cancelled,
    ComponentState,
    Finding,
    NetworkDriver,
    NodeComponent,
    NodeObservation,
    NodeReport,
    NotReady,
    Unavailable,
    from_json,
    to_json,
)
from secnet_testing.contract_objects import record
from secnet_testing.scripted_plugins import Script, toy_registry


def test_it_is_not_ready_before_its_first_round(tmp_path: Path) -> None:
    keeper = reconciler(tmp_path, Settings(node_name="n"))
    assert keeper.unready() == ["the per-node state of network type toy is not made yet"]
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


def reconciler(
    tmp_path: Path, settings: Settings = SETTINGS, better: list[str] | None = None, **methods: Any
) -> NodeStateReconciler:
    """better: takes the network types that got better."""
    return NodeStateReconciler(
        plugins=plugins_of(**methods),
        settings=dataclasses.replace(settings, state_dir=tmp_path / "state"),
        journal=Journal(tmp_path / "journal"),
        reports=Reports(tmp_path),
        on_better=(better if better is not None else []).append,
    )


def reconciled(tmp_path: Path, **methods: Any) -> NodeState:
    """The report after one round."""
    reconciler(tmp_path, **methods).reconcile(Call.within(5))
    (state,) = Reports(tmp_path).node()
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
    keeper, reports = reconciler(tmp_path, **methods), Reports(tmp_path)
    assert keeper.reconcile(Call.within(5))
    before = reports.node()
    ending.append(True)
    assert not keeper.reconcile(Call.within(5))
    assert reports.node() == before
    assert keeper.unready() == []


class Rounds:
    """What the driver finds in one round after the other; the last one stays."""

    def __init__(self, *rounds: tuple[tuple[Finding, ...], ComponentState]) -> None:
        self._rounds = list(rounds)
        self.attachments: list[tuple[str, ...]] = []

    def reconcile_node(self, driver: NetworkDriver, desired: Mapping[str, Any], call: Call) -> NodeReport:
        self.attachments.append(tuple(str(each.key) for each in call.attachments))
        return NodeReport(findings=self._rounds[0][0])

    def observe_node(self, driver: NetworkDriver, call: Call) -> NodeObservation:
        _, state = self._rounds.pop(0) if len(self._rounds) > 1 else self._rounds[0]
        return NodeObservation(components=(dataclasses.replace(BRIDGE, state=state),))

    def methods(self) -> dict[str, Any]:
        """For a class: plain functions, so that the driver is passed too."""
        return {
            "reconcile_node": lambda *arguments: self.reconcile_node(*arguments),
            "observe_node": lambda *arguments: self.observe_node(*arguments),
        }


UP, DOWN = ComponentState.UP, ComponentState.DOWN
MISSING = Finding(code="NotReady", message="no uplink")


def drains(pods: int) -> Finding:
    return Finding(code="BridgeDraining", message=f"{pods} Pods", advisory=True)


def test_an_advisory_finding_is_reported_and_keeps_no_agent_from_being_ready(tmp_path: Path) -> None:
    keeper = reconciler(tmp_path, **Rounds(((drains(2), MISSING), UP), ((drains(1),), UP), ((), UP)).methods())
    assert not keeper.is_settled("toy")
    assert not keeper.reconcile(Call.within(5))
    assert keeper.unready() == ["network type toy: NotReady: no uplink"]
    assert not keeper.reconcile(Call.within(5)), "there is still something to do"
    (state,) = Reports(tmp_path).node()
    assert (keeper.unready(), state.report.findings, keeper.is_settled("toy")) == ([], (drains(1),), False)
    assert keeper.reconcile(Call.within(5))
    assert keeper.is_settled("toy")


@pytest.mark.parametrize(
    ("before", "after", "woken"),
    [
        (((drains(2), drains(2)), UP), ((drains(2),), UP), True),
        (((drains(2),), UP), ((drains(1),), UP), False),
        (((), UP), ((drains(2),), UP), False),
        (((MISSING,), DOWN), ((MISSING,), UP), True),
        (((), UP), ((), DOWN), False),
    ],
)
def test_pods_that_wait_are_woken_by_what_may_help_them(tmp_path: Path, before: Any, after: Any, woken: bool) -> None:
    better: list[str] = []
    keeper = reconciler(tmp_path, better=better, **Rounds(before, after).methods())
    keeper.reconcile(Call.within(5))
    assert better == ["toy"], "the first round may come after the first Pod"
    keeper.reconcile(Call.within(5))
    assert better == ["toy"] * (2 if woken else 1)


def test_the_end_of_an_error_wakes_too(tmp_path: Path) -> None:
    rounds: list[Exception | None] = [Unavailable("away"), None]

    def reconcile(driver: NetworkDriver, desired: Mapping[str, Any], call: Call) -> NodeReport:
        if (error := rounds.pop(0)) is not None:
            raise error
        return NodeReport()

    better: list[str] = []
    keeper = reconciler(tmp_path, better=better, reconcile_node=reconcile)
    keeper.reconcile(Call.within(5))
    assert not keeper.is_settled("toy")
    keeper.reconcile(Call.within(5))
    assert better == ["toy", "toy"]


def test_a_driver_gets_the_recorded_attachments_of_its_type(tmp_path: Path) -> None:
    journal, rounds = Journal(tmp_path / "journal"), Rounds(((), UP))
    for number, network_type in enumerate(("toy", "other", "toy")):
        made = record(container=f"c{number}")
        asked = dataclasses.replace(made.attachment.request, network_type=network_type)
        journal.write(made.replace(attachment=dataclasses.replace(made.attachment, request=asked)))
    reconciler(tmp_path, **rounds.methods()).reconcile(Call.within(5))
    assert rounds.attachments == [("c0/eth1", "c2/eth1")]


def test_a_driver_that_hangs_lets_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patched: the time after the deadline, or the test would take three seconds."""
    monkeypatch.setattr(calls, "GRACE_SECONDS", 0.02)
    gate, rounds = threading.Event(), Rounds(((), UP))

    def hang(driver: NetworkDriver, desired: Mapping[str, Any], call: Call) -> NodeReport:
        gate.wait(30)
        return NodeReport()

    hanging, well = registry_of(reconcile_node=hang).drivers["toy"], registry_of(**rounds.methods()).drivers["toy"]
    drivers = {"a": dataclasses.replace(hanging, name="a"), "z": dataclasses.replace(well, name="z")}
    registry = dataclasses.replace(registry_of(), drivers=drivers)
    settings = dataclasses.replace(SETTINGS, drivers={"a": {"x": 1}, "z": {"x": 1}}, state_dir=tmp_path / "state")
    better: list[str] = []
    keeper = NodeStateReconciler(
        plugins=Plugins(registry, settings, objects=None),  # type: ignore[arg-type]
        settings=settings,
        journal=Journal(tmp_path / "journal"),
        reports=Reports(tmp_path),
        on_better=better.append,
    )
    try:
        assert not keeper.reconcile(Call.within(0.5))
        assert better == ["z", "a"], "the one that works is done before the other is given up"
        (reason,) = keeper.unready()
        assert reason.startswith("network type a: PluginStuck: driver a (toy-dist 1.2) has not returned from reconcile")
        assert not keeper.reconcile(Call.within(3600)), "it waits for it once"
    finally:
        gate.set()
