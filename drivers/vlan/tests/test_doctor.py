"""What `secnet doctor` learns from the driver about the datapath and the uplinks."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet.contract import Call, DoctorLevel, DoctorResult, HostContext
from secnet_testing.netns import Namespace
from secnet_testing.ovs import OvsFactory, PrivateOvs
from secnet_vlan.driver import VlanDriver

BRIDGES = [{"bridgeName": "br-a"}]
NOWHERE = "unix:/nonexistent/db.sock"


@pytest.fixture
def switch(ovs: OvsFactory, node_netns: Namespace) -> PrivateOvs:
    return ovs(node_netns)


def results(folder: Path, ovsdb: str, **config: object) -> tuple[DoctorResult, ...]:
    driver = VlanDriver(HostContext(node_name="n", run_dir=folder, sysfs_root=folder, ovsdb=ovsdb, config=config))
    try:
        return driver.doctor(Call.within(5))
    finally:
        driver.close()


@pytest.mark.ovs
@pytest.mark.parametrize(
    ("config", "what", "level"),
    [
        ({"ovsBridges": BRIDGES, "datapathType": "netdev"}, "OVS datapath netdev", DoctorLevel.OK),
        ({"ovsBridges": BRIDGES}, "OVS datapath system", DoctorLevel.FAIL),
    ],
)
def test_a_datapath_that_the_switch_has_or_not(
    tmp_path: Path, switch: PrivateOvs, config: dict[str, object], what: str, level: DoctorLevel
) -> None:
    (result,) = results(tmp_path, switch.target, **config)
    assert (result.what, result.level) == (what, level), "this switch runs without the kernel datapath"
    assert bool(result.remedy) == (level is not DoctorLevel.OK)


@pytest.mark.parametrize(("datapath", "module"), [("system", "openvswitch"), ("netdev", "tun")])
def test_a_switch_that_is_away_leaves_the_module(tmp_path: Path, datapath: str, module: str) -> None:
    config = {"ovsBridges": BRIDGES, "datapathType": datapath}
    (result,) = results(tmp_path, NOWHERE, **config)
    assert (result.level, f"load the module {module}" in result.remedy) == (DoctorLevel.WARN, True)
    (tmp_path / "module" / module).mkdir(parents=True)
    assert results(tmp_path, NOWHERE, **config) == ()


def test_without_bridges_no_datapath_is_needed(tmp_path: Path) -> None:
    assert results(tmp_path, NOWHERE, datapathType="netdev") == ()


@pytest.mark.parametrize(
    ("vendor", "uplinks", "said"),
    [("VMware, Inc.", ["ens192"], True), ("VMware, Inc.", [], False), ("Dell Inc.", ["ens192"], False)],
)
def test_a_virtual_machine_whose_network_may_drop_frames(
    tmp_path: Path, vendor: str, uplinks: list[str], said: bool
) -> None:
    """sysfs of our own, because a test cannot change what the firmware of its machine says."""
    (tmp_path / "class/dmi/id").mkdir(parents=True)
    (tmp_path / "class/dmi/id/sys_vendor").write_text(f"{vendor}\n")
    (tmp_path / "module/openvswitch").mkdir(parents=True)
    found = results(tmp_path, NOWHERE, ovsBridges=[{"bridgeName": "br-a", "physicalInterfaces": uplinks}])
    assert [result.level for result in found] == [DoctorLevel.WARN] * said
    assert all("VMware" in r.finding and "ens192" in r.finding and "dropped-frames.md" in r.remedy for r in found)
