"""The columns of `secnet status` that network types bring."""

from __future__ import annotations

import dataclasses

import pytest
from secnet.agent.cli.status import print_reports
from secnet.agent.model.report import NetworkReport, PodReport
from secnet.agent.plugins.registry import Registry
from secnet.contract import PodRef, StatusColumn
from secnet_testing.scripted_plugins import Script, toy_registry

POD = PodReport(
    pod=PodRef(namespace="default", name="a", uid="u"),
    networks=(
        NetworkReport(network="default/x", phase="Attached", network_type="toy", details={"lane": "l7", "port": "p"}),
        NetworkReport(network="default/y", phase="Attached", network_type="other"),
    ),
)


def registry_with(**columns: tuple[StatusColumn, ...]) -> Registry:
    plugin = toy_registry(Script()).drivers["toy"]
    drivers = {
        name: dataclasses.replace(plugin, name=name, info=dataclasses.replace(plugin.info, status_columns=each))
        for name, each in columns.items()
    }
    return Registry(drivers=drivers)


def test_a_column_shows_the_detail_of_the_network_that_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    lane = StatusColumn(key="lane", title="LANE")
    print_reports((POD,), registry_with(toy=(lane,), other=(lane, StatusColumn(key="speed", title="SPEED"))))
    header, first, second = (line.split() for line in capsys.readouterr().out.splitlines())
    assert header == ["POD", "NETWORK", "INTERFACE", "TYPE", "PHASE", "ADDRESSES", "VLAN", "LANE", "SPEED", "MAC"]
    assert (first[7], first[8]) == ("l7", "-")
    assert (second[7], second[8]) == ("-", "-")


def test_what_no_type_declares_is_no_column(capsys: pytest.CaptureFixture[str]) -> None:
    print_reports((POD,), registry_with(toy=()))
    assert "LANE" not in capsys.readouterr().out
