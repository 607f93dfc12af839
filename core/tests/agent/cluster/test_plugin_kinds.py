"""Kinds that plugins bring: objects of them in manifests, in the store, on the way to an API server, and given to a driver."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.attach.plugin_calls import Plugins
from secnet.agent.cluster.files._manifest import load_manifests
from secnet.agent.cluster.files.cluster import ManifestCluster
from secnet.agent.cluster.files.store import FileStore
from secnet.agent.cluster.kinds import KINDS, with_plugins
from secnet.agent.cluster.kube import KubeCluster
from secnet.agent.cluster.kube._requests import Request
from secnet.agent.config.settings import Settings
from secnet.agent.plugins.registry import Registry
from secnet.agent.validate.offline import Document, check_documents
from secnet.contract import (
    CLUSTER_SCOPE,
    DIALECT,
    HostContext,
    InvalidConfig,
    NetworkDriver,
    ObjectKind,
    ObjectRef,
    ObjectStore,
)
from secnet_testing.kubeapi.definitions import definition
from secnet_testing.kubeapi.process import KubeApiProcess
from secnet_testing.scripted_plugins import Script, toy_registry

LANE = ObjectKind(
    kind="Lane",
    group="roads.example.com",
    version="v1",
    plural="lanes",
    short_names=("ln",),
    schema={
        "$schema": DIALECT,
        "type": "object",
        "required": ["spec"],
        "properties": {"spec": {"type": "object", "properties": {"width": {"type": "integer", "minimum": 1}}}},
    },
)
TABLE = with_plugins([LANE])


def lane(name: str = "fast", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "roads.example.com/v1",
        "kind": "Lane",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


MANIFEST = """
apiVersion: roads.example.com/v1
kind: Lane
metadata: {name: fast}
spec: {width: %s}
"""


def registry_with(kind: ObjectKind, driver: type[NetworkDriver] | None = None) -> Registry:
    """The toys; the driver declares this kind."""
    toys = toy_registry(Script())
    plugin = toys.drivers["toy"]
    info = dataclasses.replace(plugin.info, kinds=(kind,))
    cls: Any = driver or plugin.cls
    return dataclasses.replace(toys, drivers={"toy": dataclasses.replace(plugin, cls=cls, info=info)})


def test_an_object_of_a_plugins_kind_is_a_manifest_only_where_the_plugin_is(tmp_path: Path) -> None:
    (tmp_path / "lane.yaml").write_text(MANIFEST % 3)
    (found,) = load_manifests(tmp_path, kinds=TABLE)
    assert found.object == lane(width=3)
    with pytest.raises(InvalidConfig, match="the kind 'Lane' is unknown"):
        load_manifests(tmp_path)


def test_what_its_schema_refuses_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "lane.yaml").write_text(MANIFEST % 0)
    with pytest.raises(InvalidConfig) as raised:
        load_manifests(tmp_path, kinds=TABLE)
    assert raised.value.path == "$.spec.width"


def test_it_lives_in_the_store_as_any_other(tmp_path: Path) -> None:
    store = FileStore(tmp_path, kinds=TABLE)
    store.apply(lane(width=3))
    stored = store.get("Lane", "fast")
    store.update_status({**stored, "status": {"used": 1}})
    assert [item["status"] for item in store.list("Lane")] == [{"used": 1}]
    assert ObjectRef.of(stored) == LANE.ref("fast", "default")


def test_a_cluster_of_manifests_tells_of_its_changes(tmp_path: Path) -> None:
    cluster = ManifestCluster(tmp_path, kinds=TABLE)
    assert set(cluster.watched) == {*KINDS, "Lane"}
    cluster.close()


def test_a_request_goes_where_the_kind_says() -> None:
    request = Request(verb="update", kind="Lane", namespace="a", name="fast", subresource="status", kinds=TABLE)
    assert request.path() == "/apis/roads.example.com/v1/namespaces/a/lanes/fast/status"
    assert (request.group, request.resource) == ("roads.example.com", "lanes/status")


def test_a_kind_of_the_core_is_not_changed_by_a_plugin(caplog: pytest.LogCaptureFixture) -> None:
    pod = ObjectKind(kind="Pod", group="example.com", version="v1", plural="pods")
    same = ObjectKind(kind="IPPool", group="crd.antrea.io", version="v1beta1", plural="ippools", scope=CLUSTER_SCOPE)
    with caplog.at_level(logging.ERROR):
        assert with_plugins([pod, same]) == KINDS
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "a plugin's kind Pod of example.com/v1 is not that of v1"
    ]


def test_validate_knows_it_and_its_schema() -> None:
    registry = registry_with(LANE)
    documents = [Document(file="f", line=1, data=lane(width=0)), Document(file="f", line=5, data=lane("b", width=2))]
    (finding,) = check_documents(documents, registry)
    assert (finding.line, finding.path) == (1, "$.spec.width")


def test_a_driver_that_declares_kinds_is_given_the_store(tmp_path: Path) -> None:
    class WithObjects(toy_registry(Script()).drivers["toy"].cls):  # type: ignore[misc]
        def __init__(self, host: HostContext, objects: ObjectStore | None) -> None:
            super().__init__(host, objects)

    store = FileStore(tmp_path, kinds=TABLE)
    plugins = Plugins(registry_with(LANE, WithObjects), Settings(node_name="n"), store)
    assert plugins.driver("toy").objects is store
    plain = Plugins(toy_registry(Script()), Settings(node_name="n"), store)
    assert plain.driver("toy").objects is None


def test_it_is_read_and_its_status_written_through_an_api_server(tmp_path: Path) -> None:
    """With the CRD that the plugin brings and the rules that its kind needs, and no others."""
    crd = definition(LANE.kind, LANE.plural, LANE.group, LANE.version, namespaced=True, status=True)
    server = KubeApiProcess(crds=(crd,))
    try:
        rules = [
            {"apiGroups": [LANE.group], "resources": [LANE.plural], "verbs": ["get", "list"]},
            {"apiGroups": [LANE.group], "resources": [f"{LANE.plural}/status"], "verbs": ["update"]},
        ]
        server.add_token("agent", rules)
        cluster = KubeCluster(server.kubeconfig(tmp_path / "kubeconfig", "agent"), node_name="n", kinds=TABLE)
        server.create(lane(width=3))
        stored = cluster.get("Lane", "fast")
        assert cluster.update_status({**stored, "status": {"used": 1}})["status"] == {"used": 1}
        assert [(item["kind"], item["spec"], item["status"]) for item in cluster.list("Lane")] == [
            ("Lane", {"width": 3}, {"used": 1})
        ]
        cluster.close()
    finally:
        server.stop()
