"""What the SR-IOV types say of themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from secnet.contract import (
    AttachRequest,
    DeviceRef,
    HostContext,
    NetnsRef,
    NetworkRef,
    SecnetError,
)
from secnet_sriov import SriovDriver, SriovSfDriver, SriovVfDriver
from secnet_testing.fake_sysfs import FakeSys

ALL = [SriovDriver, SriovVfDriver, SriovSfDriver]


@pytest.mark.parametrize("cls", ALL)
def test_each_type_needs_a_device_and_knows_vlans(cls: type[SriovDriver]) -> None:
    info = cls.describe()
    assert info.needs_device
    assert info.vlan
    assert info.capabilities == {"mac", "mtu"}


def test_the_options_are_those_of_the_documents() -> None:
    assert set(SriovDriver.describe().options["properties"]) == {
        "vlan",
        "vlanQoS",
        "vlanProto",
        "spoofchk",
        "trust",
        "linkState",
        "minTxRate",
        "maxTxRate",
        "bridge",
    }


def test_a_subfunction_has_only_the_options_that_it_can_honour() -> None:
    info = SriovSfDriver.describe()
    assert set(info.options["properties"]) == {"vlan", "bridge"}
    assert set(info.example) <= set(info.options["properties"])


def test_a_host_without_sysfs_is_not_ready(tmp_path: Path) -> None:
    driver = SriovDriver(HostContext(node_name="n", run_dir=tmp_path, sysfs_root=tmp_path / "none"))
    report = driver.probe()
    assert not report.ready
    assert "sysfs" in report.message or "CAP_" in report.message
    driver.close()


@pytest.mark.kernel
def test_a_host_with_cards_says_how_many(tmp_path: Path) -> None:
    tree = FakeSys(tmp_path / "sys")
    tree.pf("0000:3b:00.0")
    tree.vf("0000:3b:00.0", 0, "0000:3b:02.0")
    driver = SriovDriver(HostContext(node_name="n", run_dir=tmp_path, sysfs_root=tree.root))
    assert (driver.probe().ready, driver.probe().message) == (True, "1 virtual functions and subfunctions")
    driver.close()


def test_the_lock_is_the_devices() -> None:
    request = AttachRequest(
        container_id="c1",
        ifname="eth1",
        network=NetworkRef(namespace="default", name="fast"),
        network_type="sriov",
        netns=NetnsRef(path="/run/netns/none", device=1, inode=2),
        device=DeviceRef(id="0000:3b:02.0"),
    )
    host = HostContext(node_name="n", run_dir=Path("/nonexistent"))
    assert {cls(host).lock_keys(request) for cls in ALL} == {("0000:3b:02.0",)}, "the types share the devices"


@pytest.mark.parametrize(
    ("options", "reason", "path"),
    [
        ({"minTxRate": 20, "maxTxRate": 10}, "InvalidConfig", "$.minTxRate"),
        ({"bridge": "br0", "vlan": 7, "vlanQoS": 3}, "Unsupported", "$.vlanQoS"),
        ({"bridge": "br0", "vlanProto": "802.1ad"}, "Unsupported", "$.vlanProto"),
    ],
)
def test_options_that_exclude_each_other_are_refused_without_a_host(
    options: dict[str, Any], reason: str, path: str, tmp_path: Path
) -> None:
    driver = SriovDriver(HostContext(node_name="", run_dir=tmp_path / "none", sysfs_root=tmp_path / "none"))
    with pytest.raises(SecnetError) as raised:
        driver.validate(options)
    assert (raised.value.reason, raised.value.path) == (reason, path)
    driver.validate({"minTxRate": 10, "maxTxRate": 20, "bridge": "br0", "vlan": 7})
    driver.close()
