"""The double of the API server knows the agents' role as a real one does."""

from __future__ import annotations

import yaml
from secnet_testing.documents import ROOT
from secnet_testing.kubeapi.rbac import allows, rules_of
from secnet_testing.kubernetes.cluster import Cluster
from secnet_testing.kubernetes.secnet import NAMESPACE

ACCOUNT = "secnet-agent"


def test_the_double_of_the_api_server_knows_the_role_as_the_real_one_does(cluster: Cluster) -> None:
    files = [ROOT / "deploy/base/clusterrole.yaml"]
    if cluster.get("clusterrole", "secnet-agent-nodes"):  # a cluster of KUBECONFIG may lack the component
        files.append(ROOT / "deploy/components/policies/clusterrole.yaml")
    rules = rules_of(yaml.safe_load(file.read_text()) for file in files)
    verbs = ("get", "list", "watch", "create", "update", "patch", "delete")
    resources = {(group, resource) for rule in rules for group in rule["apiGroups"] for resource in rule["resources"]}
    resources |= {
        ("", "secrets"),
        ("", "pods/exec"),
        ("", "nodes/status"),
        ("apps", "pods"),
        ("crd.antrea.io", "ippools"),
    }
    names = {name for rule in rules for name in rule.get("resourceNames", ())} | {"", "other"}
    differing = {}
    for group, resource in sorted(resources):
        for verb in verbs:
            for name in sorted(names):
                double = allows(rules, verb, group, resource, name)
                if double != _real_answer(cluster, verb, group, resource, name):
                    differing[verb, group, resource, name] = f"the double says {double}"
    assert differing == {}


def _real_answer(cluster: Cluster, verb: str, group: str, resource: str, name: str) -> bool:
    plural, _, subresource = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": plural, "subresource": subresource, "name": name}
    user = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
    spec = {"user": user, "groups": ["system:authenticated"], "resourceAttributes": attributes}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = cluster.admin.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
    return bool(answer["status"].get("allowed"))
