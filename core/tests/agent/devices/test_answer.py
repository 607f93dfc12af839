"""The kubelet's answer as device ids by resource."""

from __future__ import annotations

from typing import Any

from secnet.agent.devices._answer import by_resource
from secnet.agent.devices.podresources_pb2 import (
    CDIDevice,
    ClaimResource,
    ContainerDevices,
    ContainerResources,
    DynamicResource,
)

VF = "example.com/vf"


def container(*ids: str, claims: Any = ()) -> ContainerResources:
    return ContainerResources(
        name="c",
        devices=[ContainerDevices(resource_name=VF, device_ids=list(ids))] if ids else [],
        dynamic_resources=[DynamicResource(claim_resources=list(claims))] if claims else [],
    )


def test_each_id_once_in_the_order_of_the_containers_and_of_numbers() -> None:
    assert by_resource([container("sf.10", "sf.9"), container("sf.9", "sf.1")]) == {VF: ("sf.9", "sf.10", "sf.1")}
    assert by_resource([container("0000:3B:02.1")]) == {VF: ("0000:3b:02.1",)}
    assert by_resource([]) == {}


def test_a_device_of_a_claim_is_its_pci_address_wherever_that_stands() -> None:
    by_cdi = ClaimResource(
        driver_name="dra.example", device_name="dev-0", cdi_devices=[CDIDevice(name="x/nic=0000:3b:02.2")]
    )
    by_label = ClaimResource(driver_name="dra.example", device_name="pci-0000-3b-02-3")
    by_name = ClaimResource(driver_name="dra.other", device_name="dev-7")
    assert by_resource([container(claims=(by_cdi, by_label, by_name))]) == {
        "dra.example": ("0000:3b:02.2", "0000:3b:02.3"),
        "dra.other": ("dev-7",),
    }
