"""What a CNI result can tell of a record."""

from __future__ import annotations

from secnet.agent.cni.interface import attached
from secnet_testing.contract_objects import record


def test_a_record_of_an_attached_interface() -> None:
    found = attached(record("eth2", addresses=("10.0.0.5/24",)))
    assert (found.ifname, found.mac, found.mtu, found.netdev) == ("eth2", "02:00:00:00:00:01", 1500, True)
    assert [address.address for address in found.addresses] == ["10.0.0.5/24"]


def test_a_record_that_never_came_to_a_result() -> None:
    found = attached(record().replace(result=None))
    assert (found.mac, found.mtu, found.netdev, found.device_info, found.addresses) == (None, None, True, None, ())
