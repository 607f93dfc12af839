"""Devices that a real kubelet gives to Pods, from a device plugin and from a DRA driver, reach the networks that ask for them.

The devices are ids and no hardware: the driver of the networks is `secnet_testing.slot_plugin`, which takes what it is given. So
what is tried is everything between the kubelet and a driver.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from secnet_testing import slot_plugin
from secnet_testing.documents import ROOT
from secnet_testing.kubernetes.api import ApiAdmin
from secnet_testing.kubernetes.balance import network_status
from secnet_testing.kubernetes.cluster import LocalCluster, Object
from secnet_testing.kubernetes.device_plugin import DevicePlugin
from secnet_testing.kubernetes.dra_driver import DraDriver
from secnet_testing.kubernetes.namespace import OwnNamespace
from secnet_testing.kubernetes.node import ClusterNode
from secnet_testing.kubernetes.pods import container, nad, pod
from secnet_testing.kubernetes.secnet import NAMESPACE
from secnet_testing.slot_driver import slot_distribution, slot_nad_annotations

DRA = ROOT / "deploy/components/dra"
PLUGIN, FAST, SLOW = "sn.example/plugin", "sn.example/fast", "sn.example/slow"
ATTRIBUTES = "k8s.cni.cncf.io"


@pytest.fixture(scope="module")
def node(cluster: LocalCluster) -> Iterator[ClusterNode]:
    """A node whose agent has the driver of the network type `slot`, from a ConfigMap that is mounted into it."""
    if not isinstance(cluster, LocalCluster):
        pytest.skip("reaches into nodes, which KUBECONFIG does not give")
    files = {"sn_slot.py": Path(slot_plugin.__file__).read_text("utf-8"), **slot_distribution("sn_slot")}
    paths = {name.replace("/", "_"): name for name in files}
    data = {key: files[name] for key, name in paths.items()}
    meta = {"name": "sn-slot", "namespace": NAMESPACE}
    items = [{"key": key, "path": name} for key, name in paths.items()]
    mount = {"name": "sn-slot", "mountPath": "/plugins", "readOnly": True}
    agent = {"name": "agent", "env": [{"name": "PYTHONPATH", "value": "/plugins"}], "volumeMounts": [mount]}
    volume = {"name": "sn-slot", "configMap": {"name": "sn-slot", "items": items}}
    patch = {"spec": {"template": {"spec": {"containers": [agent], "volumes": [volume]}}}}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    agents = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets/secnet-agent"
    before = cluster.admin.request("GET", agents)["spec"]["template"]
    cluster.admin.request("PATCH", agents, patch, "application/strategic-merge-patch+json")
    _rolled_out(cluster)
    yield cluster.nodes["n1"]
    cluster.admin.request(
        "PATCH", agents, [{"op": "replace", "path": "/spec/template", "value": before}], "application/json-patch+json"
    )
    _rolled_out(cluster)
    cluster.kubectl("-n", NAMESPACE, "delete", "configmap", "sn-slot")


def _rolled_out(cluster: LocalCluster) -> None:
    cluster.kubectl("-n", NAMESPACE, "rollout", "status", "daemonset/secnet-agent", "--timeout=100s")


def network(name: str, resource: str) -> Object:
    made = nad(name, None, networkType="slot")
    made["metadata"]["annotations"] = slot_nad_annotations(resource)
    return made


def addresses(namespace: OwnNamespace, name: str) -> dict[str, str]:
    """The PCI address of each network of a Pod, by the name of its NAD."""
    entries = network_status(namespace.get("pod", name))
    return {each["name"].partition("/")[2]: each["device-info"]["pci"]["pci-address"] for each in entries}


def test_a_network_gets_what_the_kubelet_took_from_a_device_plugin(
    cluster: LocalCluster, node: ClusterNode, namespace: OwnNamespace
) -> None:
    plugin = DevicePlugin(node, PLUGIN, [f"0000:3b:02.{number}" for number in range(4)])
    try:
        cluster.wait(lambda: _allocatable(cluster, node) == "4", "the kubelet offers the devices")
        namespace.apply(network("a", PLUGIN), network("b", PLUGIN))
        for name, networks, count in (("one", "b,a", 2), ("two", "a", 1)):
            asks = {"limits": {PLUGIN: str(count)}}
            namespace.apply(pod(name, networks, containers=[container(resources=asks)]))
            namespace.wait_ready(name)
        one, two = plugin.allocated
        assert len({*one, *two}) == 3
        assert addresses(namespace, "one") == dict(zip("ba", sorted(one), strict=True))
        assert addresses(namespace, "two") == {"a": two[0]}
        namespace.kubectl("delete", "pods", "--all", "--wait")
    finally:
        plugin.stop()


def _allocatable(cluster: LocalCluster, node: ClusterNode) -> str:
    found = cluster.get("node", node.name)
    return str(found["status"]["allocatable"].get(PLUGIN)) if found else ""


@pytest.fixture
def driver(cluster: LocalCluster, node: ClusterNode) -> Iterator[DraDriver]:
    """A DRA driver with two devices of one resource, one of another, and one that names no resource."""
    name = f"sn{secrets.token_hex(3)}.example"
    devices = {
        f"dev-{number}": {f"{ATTRIBUTES}/resourceName": resource, f"{ATTRIBUTES}/deviceID": f"0000:3b:03.{number}"}
        for number, resource in enumerate((FAST, FAST, SLOW))
    }
    expression = f'device.driver == "{name}"'
    selectors = [{"cel": {"expression": expression}}]
    kind = {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": name}}
    cluster.apply({**kind, "spec": {"selectors": selectors}})
    admin = ApiAdmin(cluster.plane.kubeconfig, cluster.plane.namespace)
    made = DraDriver(node, admin, name, {**devices, "pci-0000-3b-03-3": {}})
    yield made
    made.stop()
    cluster.kubectl("delete", "deviceclass", name)


def claim(driver: DraDriver, name: str, **counts: int) -> Object:
    """counts: how many devices, of those whose resource name ends in this."""
    requests = []
    for resource, count in counts.items():
        attribute = f'device.attributes["{ATTRIBUTES}"]'
        expression = f'has({attribute}.resourceName) && {attribute}.resourceName.endsWith("/{resource}")'
        if resource == "unnamed":
            expression = f'!("{ATTRIBUTES}" in device.attributes)'
        exactly = {"deviceClassName": driver.name, "count": count, "selectors": [{"cel": {"expression": expression}}]}
        requests.append({"name": resource, "exactly": exactly})
    kind = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate", "metadata": {"name": name}}
    return {**kind, "spec": {"spec": {"devices": {"requests": requests}}}}


def claiming(name: str, networks: str, template: str) -> Object:
    asks = {"claims": [{"name": "nics"}]}
    claims = [{"name": "nics", "resourceClaimTemplateName": template}]
    return pod(name, networks, containers=[container(resources=asks)], resourceClaims=claims)


def test_a_network_gets_the_claimed_device_of_its_resource(
    cluster: LocalCluster, driver: DraDriver, namespace: OwnNamespace
) -> None:
    """First without the right to read what the driver publishes: then devices are known by the driver alone."""
    namespace.apply(
        *(network(name, resource) for name, resource in (("f", FAST), ("g", FAST), ("s", SLOW), ("d", driver.name))),
        claim(driver, "both", slow=1, fast=2),
        claim(driver, "unnamed", unnamed=1),
        claiming("by-driver", "d", "unnamed"),
        claiming("by-resource", "s,f,g", "both"),
    )
    namespace.wait_ready("by-driver")
    assert addresses(namespace, "by-driver") == {"d": "0000:3b:03.3"}
    cluster.wait(
        lambda: "deploy/components/dra" in _event_messages(namespace, "by-resource"), "the Pod's events name what lacks"
    )
    roles = [str(DRA / name) for name in ("clusterrole.yaml", "clusterrolebinding.yaml")]
    for file in roles:
        cluster.kubectl("apply", "-f", file)
    try:
        namespace.wait_ready("by-resource")
        prepared = sorted(sorted(names) for names in driver.prepared.values())
        assert prepared == [["dev-0", "dev-1", "dev-2"], ["pci-0000-3b-03-3"]]
        assert addresses(namespace, "by-resource") == {
            "s": "0000:3b:03.2",
            "f": "0000:3b:03.0",
            "g": "0000:3b:03.1",
        }
        namespace.kubectl("delete", "pods", "--all", "--wait")
        cluster.wait(lambda: not driver.prepared, "the kubelet gives the devices back")
    finally:
        for file in roles:
            cluster.kubectl("delete", "-f", file)


def _event_messages(namespace: OwnNamespace, name: str) -> str:
    return namespace.kubectl("get", "events", "--field-selector", f"involvedObject.name={name}", "-o", "json")
