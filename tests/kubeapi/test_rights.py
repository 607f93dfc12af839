"""Tokens and RBAC of the test API server."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from secnet_testing.kubeapi.process import KubeApiProcess

from .helpers import pod

NADS = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"
PODS = "/api/v1/namespaces/default/pods"


def test_what_a_token_may_do(kubeapi: KubeApiProcess) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["nodes"], "resourceNames": ["mine"], "verbs": ["get"]},
    ]
    kubeapi.add_token("t", rules)
    kubeapi.create(pod("a"))
    kubeapi.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "mine"}})

    def ask(method: str, path: str, token: str = "t") -> int:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"}
        body = b"{}" if method != "GET" else None
        try:
            with urllib.request.urlopen(
                urllib.request.Request(kubeapi.url + path, body, headers, method=method), timeout=20
            ) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code

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


def test_a_review_of_ones_own_rights(kubeapi: KubeApiProcess) -> None:
    kubeapi.add_token("t", [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}])
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    for verb, allowed in (("get", True), ("patch", False)):
        body = json.dumps({"spec": {"resourceAttributes": {"verb": verb, "resource": "pods"}}}).encode()
        headers = {"Authorization": "Bearer t", "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(kubeapi.url + path, body, headers), timeout=20) as answer:
            assert json.load(answer)["status"]["allowed"] is allowed
