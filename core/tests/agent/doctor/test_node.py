"""Privileges, Open vSwitch and drivers, on a private switch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from secnet.agent.config.settings import KubernetesSettings
from secnet.agent.doctor._node import check_drivers, check_node_group, check_ovs, check_privileges
from secnet.agent.preflight.node_labels import remember_labels
from secnet_testing.netns import Namespace
from secnet_testing.ovs import OvsFactory, PrivateOvs

NOWHERE = "unix:/nonexistent/db.sock"


@pytest.fixture
def switch(ovs: OvsFactory, node_netns: Namespace) -> PrivateOvs:
    return ovs(node_netns)


@pytest.mark.ovs
def test_a_switch_that_answers(make_host: Any, found: Any, switch: PrivateOvs) -> None:
    results = found(check_ovs, make_host(ovsdb=switch.target))
    assert results["Open vSwitch"].finding == f"of unknown version, answers at {switch.target}"
    switch.vsctl("set", "Open_vSwitch", ".", "ovs_version=3.1.0")
    assert found(check_ovs, make_host(ovsdb=switch.target))["Open vSwitch"].finding.startswith("3.1.0, ")
    assert found(check_drivers, make_host(root=Path("/"), ovsdb=switch.target))["network type vlan"].level == "ok"


@pytest.mark.ovs
def test_a_database_without_a_switch(make_host: Any, found: Any, node_netns: Namespace, place: Path) -> None:
    bare = PrivateOvs(node_netns, place)
    bare.start_server()
    try:
        bare.vsctl("--no-wait", "init")
        assert "never ran" in found(check_ovs, make_host(ovsdb=bare.target))["Open vSwitch"].finding
    finally:
        bare.stop()


@pytest.mark.ovs
def test_a_switch_that_hangs(make_host: Any, found: Any, switch: PrivateOvs) -> None:
    switch.pause_server()
    try:
        assert "does not answer" in found(check_ovs, make_host(ovsdb=switch.target))["Open vSwitch"].finding
    finally:
        switch.resume_server()


def test_no_switch(make_host: Any, found: Any) -> None:
    assert found(check_ovs, make_host(ovsdb=NOWHERE))["Open vSwitch"].level == "FAIL"
    assert found(check_ovs, make_host(ovsdb=NOWHERE, drivers={}))["Open vSwitch"].level == "warn"
    for drivers, level in (({}, "FAIL"), ({"drivers": {}}, "warn")):
        results = found(check_drivers, make_host(root=Path("/"), ovsdb=NOWHERE, **drivers))
        assert results["network type vlan"].level == level, "what no one configured is no failure"
    for used, level in ((frozenset({"vlan"}), "warn"), (frozenset(), "ok")):
        results = found(check_drivers, make_host(root=Path("/"), ovsdb=NOWHERE, drivers={}, used=used))
        assert results["network type vlan"].level == level, "nor what no network needs"


def test_a_status_that_cannot_be_read(make_host: Any, found: Any) -> None:
    assert found(check_privileges, make_host())["CAP_SYS_ADMIN"].level == "FAIL"


def test_the_node_group_of_the_settings(make_host: Any, found: Any, tmp_path: Path) -> None:
    groups = {"rack-a": {"selector": {"matchLabels": {"rack": "a"}}}}
    assert found(check_node_group, make_host()) == {}
    assert found(check_node_group, make_host(node_groups=groups))["node group"].level == "warn"
    given: dict[str, Any] = {"kubernetes": KubernetesSettings(), "node_groups": groups, "state_dir": tmp_path}
    assert "not known yet" in found(check_node_group, make_host(**given))["node group"].finding
    host = make_host(**given)
    remember_labels(host.settings, {"rack": "b"})
    assert found(check_node_group, host)["node group"].finding == "none matches, of rack-a"
    assert found(check_node_group, make_host(**given, node_group="rack-a"))["node group"].finding == "rack-a"
