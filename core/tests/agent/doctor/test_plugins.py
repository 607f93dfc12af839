"""What plugins add to the doctor: what they see of the node, and checks of their own."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import pytest
from secnet.agent.doctor._node import check_drivers
from secnet.agent.plugins.registry import Registry
from secnet.contract import (
    Call,
    ComponentState,
    DoctorLevel,
    DoctorResult,
    NetworkDriver,
    NodeComponent,
    NodeObservation,
    ProbeReport,
    Unavailable,
)

UP = NodeComponent(kind="bridge", name="br0", state=ComponentState.UP)
DOWN = NodeComponent(kind="uplink", name="eth1", state=ComponentState.DOWN, message="it has no carrier")
ODD = NodeComponent(kind="uplink", name="eth2", state=ComponentState.DEGRADED, message="half duplex")
OWN = DoctorResult(level=DoctorLevel.WARN, what="firmware", finding="old", remedy="update it")


def registry_of(registry: Registry, **methods: Any) -> Registry:
    """Only the type vlan, with these methods."""
    plugin = registry.drivers["vlan"]
    cls: Any = type("Vlan", (plugin.cls,), methods)
    return Registry(drivers={"vlan": dataclasses.replace(plugin, cls=cls)})


def results(make_host: Any, found: Any, registry: Registry, **settings: Any) -> Any:
    host = dataclasses.replace(make_host(ovsdb="unix:/nonexistent/db.sock", **settings), registry=registry)
    return found(check_drivers, host)


def test_components_and_checks_of_a_driver_are_lines(make_host: Any, registry: Registry, found: Any) -> None:
    def see(driver: NetworkDriver, call: Call) -> NodeObservation:
        return NodeObservation(components=(UP, DOWN, ODD))

    def look(driver: NetworkDriver, call: Call) -> tuple[DoctorResult, ...]:
        return (OWN,)

    lines = results(make_host, found, registry_of(registry, observe_node=see, doctor=look))
    levels = {what: str(line.level) for what, line in lines.items()}
    assert levels.pop("network type vlan") == "FAIL", "Open vSwitch is not there"
    assert levels == {"bridge br0": "ok", "uplink eth1": "FAIL", "uplink eth2": "warn", "firmware": "warn"}
    assert "it has no carrier" in lines["uplink eth1"].finding


def test_a_driver_that_fails_to_look_is_a_warning(make_host: Any, registry: Registry, found: Any) -> None:
    def fail(driver: NetworkDriver, call: Call) -> Any:
        raise Unavailable("away", hint="wait")

    lines = results(make_host, found, registry_of(registry, observe_node=fail, doctor=lambda driver, call: (7,)))
    assert (lines["node of network type vlan"].level, lines["node of network type vlan"].remedy) == ("warn", "wait")


def test_a_type_that_is_not_configured_has_no_components(make_host: Any, registry: Registry, found: Any) -> None:
    def see(driver: NetworkDriver, call: Call) -> NodeObservation:
        raise AssertionError("nothing is configured")

    only = registry_of(registry, observe_node=see, doctor=lambda driver, call: ())
    assert set(results(make_host, found, only, drivers={})) == {"network type vlan"}


def test_a_type_whose_probe_hangs_delays_no_other(
    make_host: Any, registry: Registry, found: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patched: the time after its deadline, or the test would take five seconds."""
    monkeypatch.setattr("secnet.agent.plugins.calls.GRACE_SECONDS", 0.02)
    gate, both = threading.Event(), threading.Barrier(2)

    def hang(driver: NetworkDriver) -> Any:
        both.wait(1.5)  # before it is given up
        gate.wait(30)

    def answer(driver: NetworkDriver) -> ProbeReport:
        both.wait(1.5)
        return ProbeReport(ready=True)

    def look(driver: NetworkDriver, call: Call) -> tuple[DoctorResult, ...]:
        return ()

    hanging = registry_of(registry, probe=hang, doctor=look).drivers["vlan"]
    well = registry_of(registry, probe=answer, doctor=look).drivers["vlan"]
    two = Registry(drivers={"a": dataclasses.replace(hanging, name="a"), "z": dataclasses.replace(well, name="z")})
    try:
        lines = results(make_host, found, two, drivers={"a": {"x": 1}})
    finally:
        gate.set()
    assert (lines["network type a"].level, lines["network type z"].level) == ("FAIL", "ok")
    assert "has not returned from probe" in lines["network type a"].finding
