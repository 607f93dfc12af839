"""The description, the schema fragments and the node configuration of the vlan driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from secnet.contract import (
    Attachment,
    AttachRequest,
    HostContext,
    InvalidConfig,
    NetnsRef,
    NetworkRef,
    NotReady,
    PodRef,
    thaw,
)
from secnet.ovs import KEY_ID, OWNER_ID, PortState
from secnet_vlan import VlanDriver
from secnet_vlan.config import NodeConfig
from secnet_vlan.owner import from_port, ids_for

INFO = VlanDriver.describe()


def valid(schema: Any, data: Any) -> bool:
    return Draft202012Validator(thaw(schema)).is_valid(data)


def test_what_the_type_is() -> None:
    assert INFO.network_type == "vlan"
    assert INFO.vlan
    assert not INFO.needs_device
    assert INFO.capabilities == {"mac", "mtu"}


@pytest.mark.parametrize(
    ("data", "fine"),
    [
        ({}, True),
        ({"vlan": 0}, True),
        ({"vlan": 4094, "bridge": "br-secondary"}, True),
        ({"vlan": 4095}, False),
        ({"vlan": -1}, False),
        ({"vlan": "100"}, False),
        ({"vlanId": 100}, False),
        ({"bridge": ""}, False),
        ({"bridge": "a/b"}, False),
        ({"bridge": "br-of-16-letters"}, False),
    ],
)
def test_options(data: Any, fine: bool) -> None:
    assert valid(INFO.options, data) is fine


@pytest.mark.parametrize(
    ("data", "fine"),
    [
        ({}, True),
        ({"defaultMtu": "uplink"}, True),
        ({"defaultMtu": 9000}, True),
        ({"defaultMtu": "large"}, False),
        ({"defaultMtu": 10}, False),
        ({"ovsBridges": [{"bridgeName": "br-a"}]}, True),
        ({"ovsBridges": [{"bridgeName": "br-a", "physicalInterfaces": [f"eth{n}" for n in range(8)]}]}, True),
        ({"ovsBridges": [{"bridgeName": "br-a", "physicalInterfaces": [f"eth{n}" for n in range(9)]}]}, False),
        ({"ovsBridges": [{"bridgeName": "br-a", "physicalInterfaces": ["eth1", "eth1"]}]}, False),
        ({"ovsBridges": [{"bridgeName": "br-int"}]}, False),
        ({"ovsBridges": [{"physicalInterfaces": []}]}, False),
        ({"ovsBridges": [{"bridgeName": "br-a", "enableMulticastSnooping": "yes"}]}, False),
    ],
)
def test_node_configuration(data: Any, fine: bool) -> None:
    assert valid(INFO.node, data) is fine


def test_the_node_configuration_has_the_documents_defaults() -> None:
    config = NodeConfig.parse({"ovsBridges": [{"bridgeName": "br-a"}]})
    assert config.default_mtu == 1500
    assert (config.bridges[0].uplinks, config.bridges[0].mcast_snooping) == ((), False)
    assert NodeConfig.parse({"defaultMtu": "uplink"}).default_mtu is None


@pytest.mark.parametrize(
    "bridges",
    [
        [{"bridgeName": "br-a"}, {"bridgeName": "br-a"}],
        [{"bridgeName": "br-a", "physicalInterfaces": ["eth1"]}, {"bridgeName": "b", "physicalInterfaces": ["eth1"]}],
        [{"bridgeName": "br-a", "physicalInterfaces": ["br-a"]}],
    ],
)
def test_a_name_in_two_places_is_refused(bridges: list[dict[str, Any]]) -> None:
    with pytest.raises(InvalidConfig, match="two places") as raised:
        NodeConfig.parse({"ovsBridges": bridges})
    assert raised.value.path.startswith("$.ovsBridges")


def test_which_bridge_a_nad_means() -> None:
    config = NodeConfig.parse({"ovsBridges": [{"bridgeName": "br-a"}, {"bridgeName": "br-b"}]})
    assert config.bridge(None, "default/n").name == "br-a"
    assert config.bridge("br-b", "default/n").name == "br-b"
    with pytest.raises(InvalidConfig) as raised:
        config.bridge("br-int", "default/n")
    assert "br-a, br-b" in raised.value.hint
    assert raised.value.subject == "NetworkAttachmentDefinition default/n"
    with pytest.raises(NotReady):
        NodeConfig().bridge(None, "default/n")


@pytest.mark.parametrize("pod", [None, PodRef(namespace="default", name="web", uid="u1", node="n1")])
def test_an_attachment_survives_in_the_external_ids(pod: PodRef | None) -> None:
    request = AttachRequest(
        container_id="c1",
        ifname="eth1",
        pod=pod,
        network=NetworkRef(namespace="default", name="blue"),
        network_type="vlan",
        netns=NetnsRef(path="/run/netns/web", device=4, inode=5, cookie=6),
        options={"bridge": "br-a", "vlan": 100},
    )
    attachment = Attachment(
        request=request, names={"host": "sn1", "bridge": "br-a"}, mac="02:00:00:00:00:01", mtu=1500, vlan=100
    )
    ids = {**ids_for(attachment), OWNER_ID: "secnet", KEY_ID: "c1/eth1"}
    port = PortState(
        name="sn1",
        bridge="br-a",
        tag=100,
        vlan_mode="access",
        trunks=(),
        type="",
        ofport=1,
        error="",
        ifindex=7,
        external_ids=ids,
    )
    assert from_port(port) == attachment


def test_making_a_driver_touches_nothing_and_probing_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/status").write_text("CapEff:\t000001ffffffffff\n")
    host = HostContext(node_name="n", run_dir=tmp_path, proc_root=tmp_path, ovsdb=f"unix:{tmp_path}/none.sock")
    driver = VlanDriver(host)
    assert "add ovsBridges" in driver.probe().message
    config = {"ovsBridges": [{"bridgeName": "br-a"}]}
    host = HostContext(
        node_name="n", run_dir=tmp_path, proc_root=tmp_path, ovsdb=f"unix:{tmp_path}/none.sock", config=config
    )
    report = VlanDriver(host).probe()
    assert not report.ready
    assert "start Open vSwitch" in report.message
    driver.close()
