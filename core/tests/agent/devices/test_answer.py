"""The kubelet's answer as device ids by resource."""

from __future__ import annotations

from typing import Any

from secnet.agent.devices._answer import by_resource, claimed_drivers
from secnet.agent.devices.podresources_pb2 import (
    CDIDevice,
    ClaimResource,
    ContainerDevices,
    ContainerResources,
    DynamicResource,
)
from secnet.agent.devices.slices import ClaimedDevice, Published

VF = "example.com/vf"


def container(*ids: str, claims: Any = ()) -> ContainerResources:
    return ContainerResources(
        name="c",
        devices=[ContainerDevices(resource_name=VF, device_ids=list(ids))] if ids else [],
        dynamic_resources=[DynamicResource(claim_resources=list(claims))] if claims else [],
    )


def test_each_id_once_in_the_order_of_the_containers_and_of_numbers() -> None:
    assert by_resource([container("sf.10", "sf.9"), container("sf.9", "sf.1")]) == {VF: ("sf.9", "sf.10", "sf.1")}
    long = "9" * 5000
    assert by_resource([container(long, "sf.1")]) == {VF: (long, "sf.1")}, "a number that Python does not read"
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


def test_the_names_of_earlier_devices_of_a_claim_are_not_those_of_a_later_one() -> None:
    """As a kubelet 1.34 lists two devices of one claim, the second with the names of both."""
    names = [CDIDevice(name=f"x/nic=0000:3b:02.{number}") for number in (2, 1)]
    first = ClaimResource(driver_name="dra.example", device_name="dev-0", cdi_devices=names[:1])
    second = ClaimResource(driver_name="dra.example", device_name="dev-1", cdi_devices=names)
    without = ClaimResource(driver_name="dra.example", device_name="dev-2", cdi_devices=names)
    other = ClaimResource(driver_name="dra.other", device_name="dev-0", cdi_devices=[CDIDevice(name="y/a=b")])
    assert by_resource([container(claims=(first, second, without, other))]) == {
        "dra.example": ("0000:3b:02.1", "0000:3b:02.2", "dev-2"),
        "dra.other": ("b",),
    }


def test_a_published_device_stands_under_its_resource_alone() -> None:
    claims = [ClaimResource(driver_name="dra.example", pool_name="n1", device_name=f"dev-{i}") for i in range(4)]
    published = {
        ClaimedDevice("dra.example", "n1", "dev-0"): Published(resource="example.com/a", id="0000:3B:02.1"),
        ClaimedDevice("dra.example", "n1", "dev-1"): Published(resource="example.com/b", id=""),
        ClaimedDevice("dra.example", "n2", "dev-2"): Published(resource="example.com/a", id="another-pool"),
    }
    containers = [container("0000:3b:02.2", claims=claims)]
    assert claimed_drivers(containers) == ("dra.example",)
    assert by_resource(containers, published) == {
        VF: ("0000:3b:02.2",),
        "example.com/a": ("0000:3b:02.1",),
        "example.com/b": ("dev-1",),
        "dra.example": ("dev-2", "dev-3"),
    }
