"""Tokens and RBAC."""

from __future__ import annotations

from secnet_testing.kubeapi.api_server import ApiServer

from .helpers import NADS, PODS, pod


def test_what_a_token_may_do(api: ApiServer) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["nodes"], "resourceNames": ["mine"], "verbs": ["get"]},
    ]
    token = api.add_token("t", rules)
    api.create(pod("a"))
    api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "mine"}})

    def ask(method: str, path: str, token: str = token) -> int:
        return api.status_of(method, path, token, {} if method == "PATCH" else None)

    assert ask("GET", "/api/v1/pods") == 200
    assert ask("GET", f"{PODS}/a") == 200
    assert ask("GET", "/api/v1/pods?watch=true") == 403
    assert ask("PATCH", f"{PODS}/a") == 403
    assert ask("PATCH", f"{PODS}/a/status") == 200
    assert ask("GET", NADS) == 403
    assert ask("GET", "/api/v1/nodes/mine") == 200
    assert ask("GET", "/api/v1/nodes/other") == 403
    assert ask("GET", "/api/v1/pods", "unknown") == 401
    assert ask("GET", "/apis") == 200


def test_a_review_of_ones_own_rights(api: ApiServer) -> None:
    token = api.add_token("t", [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}])
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    for verb, allowed in (("get", True), ("patch", False)):
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {}}
        review["spec"] = {"resourceAttributes": {"verb": verb, "resource": "pods"}}
        assert api.request("POST", path, review, token=token)["status"]["allowed"] is allowed
