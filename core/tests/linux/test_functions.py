"""Functions of cards, in a tree that looks as sysfs does."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet.contract import InvalidConfig, NotReady
from secnet.linux.functions import AUXILIARY, PCI, Function, Functions, bus_of
from secnet_testing.fake_sysfs import FakeSys

PF = "0000:3b:00.0"
VF = "0000:3b:02.1"
SF = "mlx5_core.sf.2"


@pytest.fixture
def tree(tmp_path: Path) -> FakeSys:
    made = FakeSys(tmp_path / "sys")
    made.pf(PF, "eth0", total=7)
    made.vf(PF, 0, "0000:3b:02.0")
    made.vf(PF, 1, VF)
    made.sf(PF, SF, 88)
    return made


def test_a_virtual_function(tree: FakeSys) -> None:
    tree.netdev(VF, "eth5")
    found = Functions(tree.root).get(VF)
    assert found == Function(id=VF, bus=PCI, driver="igbvf", netdevs=("eth5",), parent=PF, number=1)


def test_a_subfunction_hangs_on_its_physical_function(tree: FakeSys) -> None:
    found = Functions(tree.root).get(SF)
    assert found == Function(id=SF, bus=AUXILIARY, driver="mlx5_core.sf", parent=PF, number=88)


def test_a_virtual_machine_shows_no_physical_function(tree: FakeSys) -> None:
    tree.vf("", 0, "0000:00:05.0")
    found = Functions(tree.root).get("0000:00:05.0")
    assert found is not None
    assert (found.parent, found.number) == ("", None)


def test_rdma_devices_and_iommu_group(tree: FakeSys) -> None:
    (tree.path(VF) / "infiniband" / "mlx5_3").mkdir(parents=True)
    (tree.path(VF) / "iommu_group").symlink_to("../../kernel/iommu_groups/17")
    found = Functions(tree.root).get(VF)
    assert found is not None
    assert (found.rdma, found.iommu_group) == (("mlx5_3",), "17")


def test_a_device_that_is_not_on_the_bus(tree: FakeSys) -> None:
    tree.remove(VF)
    assert Functions(tree.root).get(VF) is None


def test_all_lists_cards_virtual_functions_and_subfunctions(tree: FakeSys) -> None:
    tree.vf("", 0, "0000:00:05.0")  # in a virtual machine it is a card like any other
    disk = tree.root / "bus/pci/devices/0000:00:1f.0"
    disk.mkdir()
    (disk / "class").write_text("0x010601\n")
    assert [item.id for item in Functions(tree.root).all()] == [SF, PF, "0000:3b:02.0", VF]


def test_the_uplink_is_no_representor(tree: FakeSys) -> None:
    tree.netdev(PF, "aa0", "pf0vf1")
    tree.netdev(PF, "aa1", "pf0sf88")
    tree.netdev(PF, "aa2", "pf0")
    functions = Functions(tree.root)
    assert functions.uplink(PF) == "eth0"
    for device, name in ((VF, "aa0"), (SF, "aa1")):
        function = functions.get(device)
        assert function is not None
        assert functions.representor(function) == name
    other = functions.get("0000:3b:02.0")
    assert other is not None
    assert functions.representor(other) == ""


def test_a_representor_of_another_hosts_function_is_not_that_of_ours(tree: FakeSys) -> None:
    """A card with a host of its own shows the functions of both, under the same numbers."""
    for name, port in (("aa0", "c1pf0vf0"), ("aa1", "c1pf0sf88"), ("aa2", "c1pf0"), ("aa3", "pf0vf0")):
        tree.netdev(PF, name, port)
    functions = Functions(tree.root)
    assert functions.uplink(PF) == "eth0"
    for device, representor in (("0000:3b:02.0", "aa3"), (SF, "")):
        function = functions.get(device)
        assert function is not None
        assert functions.representor(function) == representor


def test_a_network_device_is_so_by_its_class(tree: FakeSys) -> None:
    functions = Functions(tree.root)
    assert [functions.is_network(device) for device in (PF, VF, SF)] == [True, True, True]
    (tree.path(VF) / "class").write_text("0x030200\n")
    assert not functions.is_network(VF)


@pytest.mark.parametrize(
    "device",
    ["", "..", "../../etc", "0000:3b:02.8", "0000:3b:20.0", "0000:3b:02.1/..", "a.b", "mlx5_core.sf.2\n", "A B.sf.1"],
)
def test_an_id_that_could_lead_elsewhere_is_refused(device: str, tree: FakeSys) -> None:
    with pytest.raises(InvalidConfig) as raised:
        Functions(tree.root).get(device)
    assert raised.value.hint
    with pytest.raises(InvalidConfig):
        bus_of(device)


def test_binding_writes_the_device_and_an_unknown_driver_is_not_ready(tree: FakeSys) -> None:
    functions = Functions(tree.root)
    functions.unbind(VF, "igbvf")
    assert (tree.root / "bus/pci/drivers/igbvf/unbind").read_text() == VF
    functions.bind(VF, "igbvf")
    assert (tree.root / "bus/pci/drivers/igbvf/bind").read_text() == VF
    with pytest.raises(NotReady):
        functions.bind(VF, "none")
    with pytest.raises(InvalidConfig):
        functions.bind(VF, "../igb")
