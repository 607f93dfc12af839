"""`secnet node teardown` below the command: which drivers are asked, what is said to be removed and to stay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.attach.node_state import NodeStateReconciler
from secnet.agent.attach.node_teardown import NodeTeardown, TornDown
from secnet.agent.attach.plugin_calls import Plugins
from secnet.agent.config.settings import Settings
from secnet.agent.model.report import NodeState
from secnet.agent.plugins.registry import Registry
from secnet.agent.state.journal import Journal
from secnet.agent.state.reports import Reports
from secnet.contract import Call, Finding, NodeReport, Unavailable
from secnet_testing.scripted_plugins import Script, fail, make_rig, toy_registry


class Node:
    """A node directory with the toy driver, whose per-node state is what a test scripts."""

    def __init__(self, folder: Path, *, section: bool = True) -> None:
        self.script = Script()
        self.registry = toy_registry(self.script)
        self.settings = Settings(
            node_name="n",
            run_dir=folder / "run",
            state_dir=folder / "state",
            drivers={"toy": {"bridge": "br0"}} if section else {},
        )
        self.reports = Reports(self.settings.run_dir)
        cls: Any = self.registry.drivers["toy"].cls
        cls.teardown_node = self._teardown
        cls.reconcile_node = self._reconcile
        self.findings: tuple[Finding, ...] = ()

    def _teardown(self, call: Call) -> None:
        with call.step("bridge.delete", bridge="br0"):
            self.script.run("teardown_node", None)

    def _reconcile(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        return NodeReport(findings=() if desired else self.findings)

    def agent_ran(self) -> None:
        NodeStateReconciler(
            plugins=self.plugins(),
            settings=self.settings,
            journal=Journal(self.settings.run_dir / "journal"),
            reports=self.reports,
            on_better=lambda name: None,
        ).reconcile(Call.within(5))

    def plugins(self, registry: Registry | None = None) -> Plugins:
        return Plugins(registry or self.registry, self.settings, objects=None)  # type: ignore[arg-type]

    def teardown(self, registry: Registry | None = None) -> NodeTeardown:
        return NodeTeardown(plugins=self.plugins(registry), settings=self.settings, reports=self.reports)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    found = Node(tmp_path)
    found.agent_ran()
    return found


def test_what_was_removed_is_named_and_forgotten(node: Node) -> None:
    assert list(node.teardown().run()) == [TornDown(network_type="toy", removed=("bridge.delete bridge=br0",))]
    assert node.reports.node() == (NodeState(network_type="toy"),)
    node.settings = Settings(node_name="n", run_dir=node.settings.run_dir, state_dir=node.settings.state_dir)
    assert node.teardown().network_types() == [], "nothing is left of it"


def test_what_stays_is_named_and_remembered(node: Node) -> None:
    node.findings = (Finding(code="BridgeDraining", message="br0 has the port p1"),)
    (result,) = node.teardown().run()
    assert result.left == ("BridgeDraining: br0 has the port p1",)
    node.settings = Settings(node_name="n", run_dir=node.settings.run_dir, state_dir=node.settings.state_dir)
    assert node.teardown().network_types() == ["toy"], "the section may be gone from the configuration by now"


def test_a_driver_that_fails_is_named(node: Node) -> None:
    node.script.instead["teardown_node"] = fail(Unavailable("the switch is away"))
    (result,) = node.teardown().run()
    assert result.error is not None
    assert (result.removed, result.error.reason) == ((), "Unavailable")


def test_a_driver_that_is_no_longer_installed_is_named(node: Node) -> None:
    (result,) = node.teardown(Registry()).run()
    assert result.error is not None
    assert (result.network_type, result.error.reason) == ("toy", "Unsupported")


def test_a_driver_that_never_had_a_section_is_left_alone(tmp_path: Path) -> None:
    assert list(Node(tmp_path, section=False).teardown().run()) == []


def test_attachments_are_found_with_and_without_records(node: Node) -> None:
    assert list(node.teardown().attachments()) == []
    rig = make_rig(node.settings.run_dir / "journal")
    record = rig.attach()
    assert list(node.teardown().attachments()) == ["default/web eth1 (toy)"]
    node.script.found = (record.attachment,)
    assert len(list(node.teardown().attachments())) == 1, "it is named once"
    rig.journal.remove(record.key)
    assert list(node.teardown().attachments()) == ["default/web eth1 (toy), which has no record"]
