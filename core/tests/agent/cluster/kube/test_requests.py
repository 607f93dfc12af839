"""Where a request goes."""

from __future__ import annotations

import pytest
from secnet.agent.cluster.kube._requests import EVENT, PathRequest, Request, info_at, resource_info
from secnet.contract import InvalidConfig, ObjectNotFound


@pytest.mark.parametrize(
    ("request_", "method", "path"),
    [
        (Request(verb="list", kind="Pod", query={"fieldSelector": "a=b"}), "GET", "/api/v1/pods?fieldSelector=a%3Db"),
        (Request(verb="get", kind="Pod", namespace="a", name="b"), "GET", "/api/v1/namespaces/a/pods/b"),
        (
            Request(verb="update", kind="IPPool", name="p", subresource="status"),
            "PUT",
            "/apis/crd.antrea.io/v1beta1/ippools/p/status",
        ),
        (Request(verb="create", kind=EVENT, namespace="a", name="e"), "POST", "/api/v1/namespaces/a/events"),
        (Request(verb="patch", kind="Pod", namespace="a", name="b:c"), "PATCH", "/api/v1/namespaces/a/pods/b%3Ac"),
    ],
)
def test_method_and_path(request_: Request, method: str, path: str) -> None:
    assert (request_.method, request_.path()) == (method, path)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2fb", "\0", "\ud800"])
def test_a_name_that_would_be_another_path_is_of_no_object(name: str) -> None:
    with pytest.raises(ObjectNotFound):
        Request(verb="get", kind="Pod", namespace="a", name=name).path()


def test_what_it_is_about() -> None:
    status = Request(verb="patch", kind="Pod", namespace="a", name="b", subresource="status")
    assert (status.resource, status.group, status.subject) == ("pods/status", "", "Pod a/b")
    assert Request(verb="list", kind="IPPool").group == "crd.antrea.io"
    at = PathRequest(verb="get", kind="", where="/apis/apps/v1/namespaces/kube-system/daemonsets/x")
    assert (at.resource, at.group, at.path()) == ("daemonsets", "apps", at.where)


@pytest.mark.parametrize(
    ("path", "plural", "namespaced"),
    [
        ("/api/v1/nodes/n", "nodes", False),
        ("/api/v1/namespaces/a", "namespaces", False),
        ("/api/v1/namespaces/a/pods", "pods", True),
        ("/apis/k8s.cni.cncf.io/v1", "", False),
    ],
)
def test_the_resource_at_a_path(path: str, plural: str, namespaced: bool) -> None:
    assert (info_at(path).plural, info_at(path).namespaced) == (plural, namespaced)


def test_an_unknown_kind() -> None:
    with pytest.raises(InvalidConfig):
        resource_info("Deployment")
