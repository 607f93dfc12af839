"""What the ResourceSlices of an API server say about devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from secnet.agent.cluster.interface import ApiReader
from secnet.agent.cluster.kube.rbac import DRA_RULES
from secnet.agent.devices.slices import ClaimedDevice, Published, ResourceSlices
from secnet.contract import Retryable
from secnet_testing.kubeapi.process import KubeApiProcess

DRIVER = "dra.example"


def device(name: str, resource: str = "", device_id: str = "", **more: Any) -> dict[str, Any]:
    """resource, device_id: the attributes of these names, where they are given."""
    texts = {"k8s.cni.cncf.io/resourceName": resource, "k8s.cni.cncf.io/deviceID": device_id}
    attributes = {key: {"string": text} for key, text in texts.items() if text} | more
    return {"name": name} | ({"attributes": attributes} if attributes else {})


def publish(
    api: KubeApiProcess, name: str, *devices: Any, pool: str = "n1", node: str = "n1", generation: int = 1
) -> None:
    spec = {"driver": DRIVER, "nodeName": node, "devices": list(devices)}
    spec["pool"] = {"name": pool, "generation": generation, "resourceSliceCount": 1}
    api.create({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": name}, "spec": spec})


@pytest.fixture
def slices(open_reader: Callable[..., ApiReader]) -> ResourceSlices:
    return ResourceSlices(open_reader(DRA_RULES), "n1")


def test_devices_of_this_node_that_have_a_resource(kubeapi: KubeApiProcess, slices: ResourceSlices) -> None:
    publish(kubeapi, "a", device("dev-0", "example.com/a", "0000:3b:02.1"), device("dev-1", "example.com/b"))
    publish(kubeapi, "b", device("dev-0"), device("dev-2", device_id="x"), pool="plain")
    publish(kubeapi, "c", device("dev-3", "example.com/a", "elsewhere"), pool="n2", node="n2")
    assert slices.published([DRIVER, "other.example"]) == {
        ClaimedDevice(DRIVER, "n1", "dev-0"): Published(resource="example.com/a", id="0000:3b:02.1"),
        ClaimedDevice(DRIVER, "n1", "dev-1"): Published(resource="example.com/b", id=""),
    }
    assert slices.published([]) == {}


def test_the_newest_generation_of_a_pool_counts(kubeapi: KubeApiProcess, slices: ResourceSlices) -> None:
    publish(kubeapi, "a", device("dev-0", "example.com/new", "new"), device("dev-1"), generation=10)
    publish(kubeapi, "b", device("dev-0", "example.com/old", "old"), device("dev-1", "example.com/old"), generation=9)
    new = Published(resource="example.com/new", id="new")
    assert slices.published([DRIVER]) == {ClaimedDevice(DRIVER, "n1", "dev-0"): new}


def test_an_attribute_of_another_type_is_none(kubeapi: KubeApiProcess, slices: ResourceSlices) -> None:
    publish(kubeapi, "a", device("dev-0", **{"k8s.cni.cncf.io/resourceName": {"int": 1}}))
    assert slices.published([DRIVER]) == {}


def test_without_the_right_nothing_is_published(
    kubeapi: KubeApiProcess, open_reader: Callable[..., ApiReader], slices: ResourceSlices
) -> None:
    publish(kubeapi, "a", device("dev-0", "example.com/a"))
    assert not slices.forbidden
    assert slices.published([DRIVER])
    without = ResourceSlices(open_reader([]), "n1")
    assert without.published([DRIVER]) == {}
    assert without.forbidden
    assert ResourceSlices(None, "n1").published([DRIVER]) == {}


def test_a_cluster_without_the_api_is_as_one_without_slices(kubeapi: KubeApiProcess, slices: ResourceSlices) -> None:
    kubeapi.fail(kind="status", status=404, path="resourceslices")
    assert slices.published([DRIVER]) == {}
    assert not slices.forbidden


def test_an_api_that_does_not_answer_is_an_error(kubeapi: KubeApiProcess, slices: ResourceSlices) -> None:
    """Else a Pod would be given another device than it is given when the API answers."""
    kubeapi.fail(kind="status", status=503, count=5, path="resourceslices")
    with pytest.raises(Retryable):
        slices.published([DRIVER])
