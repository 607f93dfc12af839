"""An Antrea agent: by its configuration in the cluster, and by the ports that it left in Open vSwitch."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from secnet.agent.doctor._antrea import check_antrea
from secnet_testing.antrea import antrea_agent
from secnet_testing.kubeapi.process import KubeApiProcess
from secnet_testing.netns import Namespace
from secnet_testing.ovs import OvsFactory, PrivateOvs


@pytest.fixture
def reader(open_reader: Any) -> Any:
    return open_reader()


@pytest.fixture
def switch(ovs: OvsFactory, node_netns: Namespace) -> PrivateOvs:
    return ovs(node_netns)


def _antrea(kubeapi: KubeApiProcess, conf: Any) -> None:
    config, daemonset = antrea_agent(secondary_network=False)
    text = conf if isinstance(conf, str) else yaml.safe_dump({"featureGates": conf})
    for obj in (config | {"data": {"antrea-agent.conf": text}}, daemonset):
        kubeapi.apply(obj)


@pytest.mark.parametrize(
    ("gates", "level"),
    [
        ({"SecondaryNetwork": True}, "FAIL"),
        ({"SecondaryNetwork": False}, "ok"),
        ({}, "ok"),
        ({"AllAlpha": True}, "FAIL"),
        ({"AllAlpha": True, "SecondaryNetwork": False}, "ok"),
    ],
)
def test_an_antrea_agent(
    make_host: Any, found: Any, kubeapi: KubeApiProcess, reader: Any, gates: dict[str, bool], level: str
) -> None:
    _antrea(kubeapi, gates)
    assert found(check_antrea, make_host(api=reader))["Antrea agent"].level == level


def test_an_antrea_agent_whose_configuration_is_hidden(
    make_host: Any, found: Any, kubeapi: KubeApiProcess, open_reader: Any
) -> None:
    _antrea(kubeapi, "]")
    assert found(check_antrea, make_host(api=open_reader()))["Antrea agent"].level == "warn"
    _antrea(kubeapi, {})
    assert found(check_antrea, make_host(api=open_reader([])))["Antrea agent"].level == "warn"


@pytest.mark.ovs
def test_ports_of_antrea(make_host: Any, found: Any, switch: PrivateOvs) -> None:
    what = "ports of Antrea's secondary networks"
    switch.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev")
    add = (
        "add-port",
        "br-int",
        "pod-1",
        "--",
        "set",
        "interface",
        "pod-1",
        "type=internal",
        "--",
        "set",
        "port",
        "pod-1",
    )
    switch.vsctl(*add, "external_ids:antrea-type=container")
    host = make_host(ovsdb=switch.target)
    assert found(check_antrea, host)[what].level == "ok", "a Pod's first interface is not our business"
    switch.vsctl("set", "port", "pod-1", "external_ids:if-dev=eth1")
    assert (found(check_antrea, host)[what].level, "pod-1" in found(check_antrea, host)[what].finding) == ("warn", True)
