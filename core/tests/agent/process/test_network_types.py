"""The line that says which network types an agent has."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.attach.plugin_calls import Plugins
from secnet.agent.config.settings import Settings
from secnet.agent.process._network_types import describe_network_types
from secnet.contract import NetworkDriver, ProbeReport, Unavailable
from secnet_testing.scripted_plugins import Script, toy_registry


def ready(driver: NetworkDriver) -> ProbeReport:
    return ProbeReport(ready=True)


def not_ready(driver: NetworkDriver) -> ProbeReport:
    return ProbeReport(ready=False, message="no card")


def broken(driver: NetworkDriver) -> ProbeReport:
    raise Unavailable("its service is away")


@pytest.mark.parametrize(
    ("probe", "configured", "text"),
    [
        (ready, {}, "toy"),
        (not_ready, {"toy": {"cards": 1}}, "toy (not ready: no card)"),
        (not_ready, {}, ""),
        (broken, {}, "toy (broken: Unavailable: its service is away)"),
    ],
)
def test_a_type_that_no_one_configured_is_named_only_if_it_works(
    tmp_path: Path, probe: Any, configured: dict[str, Any], text: str
) -> None:
    registry = toy_registry(Script())
    plugin = registry.drivers["toy"]
    cls: Any = type("Toy", (plugin.cls,), {"probe": probe})
    registry = dataclasses.replace(registry, drivers={"toy": dataclasses.replace(plugin, cls=cls)})
    settings = Settings(node_name="n", run_dir=tmp_path, state_dir=tmp_path, drivers=configured)
    objects: Any = None  # the plugins have no objects
    plugins = Plugins(registry, settings, objects)
    try:
        assert describe_network_types(registry, plugins, settings) == text
    finally:
        plugins.close()
