"""The API by paths."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.contract import MissingPrivilege, ObjectNotFound, SecnetError, Unavailable
from secnet_testing.kubeapi.process import KubeApiProcess

NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def test_objects_discovery_and_reviews(kubeapi: KubeApiProcess, open_reader: Any) -> None:
    kubeapi.create(NODE)
    reader = open_reader([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}])
    assert reader.get("/api/v1/nodes/n")["metadata"]["name"] == "n"
    assert {item["name"] for item in reader.get("/apis/crd.antrea.io/v1beta1")["resources"]} >= {"ippools"}
    asked = {"resourceAttributes": {"verb": "delete", "resource": "nodes"}}
    assert reader.post(REVIEWS, {"spec": asked})["status"] == {"allowed": False}


def test_a_list_selects_by_fields_and_is_one_of_rbac(kubeapi: KubeApiProcess, open_reader: Any) -> None:
    for name in ("m", "n"):
        kubeapi.create({**NODE, "metadata": {"name": name}})
    reader = open_reader([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}])
    assert [item["metadata"]["name"] for item in reader.list("/api/v1/nodes", fields="metadata.name=n")] == ["n"]
    assert len(reader.list("/api/v1/nodes")) == 2
    with pytest.raises(MissingPrivilege, match=r"resources: \[.pods.\], verbs: \[.list.\]"):
        reader.list("/api/v1/pods", fields="spec.nodeName=n")


def test_failures(kubeapi: KubeApiProcess, open_reader: Any) -> None:
    reader = open_reader([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}])
    for path, error in (
        ("/api/v1/nodes/none", ObjectNotFound),
        ("/apis/nothing.example/v1/things/x", ObjectNotFound),
        ("/api/v1/pods", MissingPrivilege),
    ):
        with pytest.raises(error):
            reader.get(path)
    kubeapi.outage(True)
    with pytest.raises(Unavailable):
        reader.get("/api/v1/nodes/n")


def test_a_closed_reader_asks_no_more(open_reader: Any) -> None:
    reader = open_reader()
    reader.close()
    reader.close()
    with pytest.raises(SecnetError):
        reader.get("/version")
