"""The official client finds in the double what it finds in a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, dynamic, watch
from secnet_testing.kubeapi.api_server import ApiServer

from .helpers import pool


@pytest.fixture
def official(api: ApiServer, tmp_path: Path) -> Iterator[client.ApiClient]:
    """The official client, typed."""
    path = api.kubeconfig(tmp_path / "kubeconfig")
    with config.new_client_from_config(config_file=str(path)) as made:
        yield made


def test_typed_pods(official: client.ApiClient) -> None:
    core = client.CoreV1Api(official)
    body: Any = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "n"}}
    made = core.create_namespaced_pod("default", body)
    assert made.metadata.uid
    patched = core.patch_namespaced_pod("a", "default", {"metadata": {"annotations": {"x": "1"}}})
    assert patched.metadata.annotations == {"x": "1"}
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    assert core.patch_namespaced_pod_status("a", "default", ready).status.conditions[0].type == "Ready"
    found = core.list_pod_for_all_namespaces(field_selector="spec.nodeName=n")
    assert [item.metadata.name for item in found.items] == ["a"]
    begin = {"resource_version": "0", "timeout_seconds": 1}
    stream = watch.Watch().stream(core.list_namespaced_pod, "default", **begin)
    assert [(event["type"], event["object"].metadata.name) for event in stream] == [("ADDED", "a")]
    core.delete_namespaced_pod("a", "default", grace_period_seconds=0)
    with pytest.raises(client.ApiException) as caught:
        core.read_namespaced_pod("a", "default")
    assert caught.value.status == 404


def test_discovery_and_custom_objects(official: client.ApiClient) -> None:
    pools = dynamic.DynamicClient(official).resources.get(api_version="crd.antrea.io/v1beta1", kind="IPPool")
    assert (pools.name, pools.namespaced) == ("ippools", False)
    pools.create(body=pool())
    assert [item.metadata.name for item in pools.get().items] == ["p"]
    custom = client.CustomObjectsApi(official)
    live: Any = custom.get_cluster_custom_object("crd.antrea.io", "v1beta1", "ippools", "p")
    live["status"] = {"ipAddresses": []}
    custom.replace_cluster_custom_object_status("crd.antrea.io", "v1beta1", "ippools", "p", live)
    with pytest.raises(client.ApiException) as caught:
        custom.replace_cluster_custom_object_status("crd.antrea.io", "v1beta1", "ippools", "p", live)
    assert caught.value.status == 409
