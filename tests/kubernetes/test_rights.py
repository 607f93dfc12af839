"""What a token of the agent may do: everything is asked of a real API server, with tokens that it made for the agents' Pods.

No account is impersonated: `kubectl create token --bound-object-kind Pod` gives what the kubelet mounts into the Pod.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.preflight.startup_taint import STARTUP_TAINT
from secnet_testing.kubeapi.admin import Rejected
from secnet_testing.kubernetes.api import ApiAdmin
from secnet_testing.kubernetes.balance import NETWORKS, network_status
from secnet_testing.kubernetes.cluster import Cluster, LocalCluster, Object
from secnet_testing.kubernetes.namespace import OwnNamespace
from secnet_testing.kubernetes.pods import nad, pod, pool
from secnet_testing.kubernetes.secnet import NAMESPACE

STATUS = "k8s.v1.cni.cncf.io/network-status"
CONDITION = "secnet.io/SecondaryNetworksReady"
ACCOUNT = "secnet-agent"
NOWHERE = "sn-no-such-node"
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"

OURS = {
    "metadata": {"annotations": {STATUS: "[]"}},
    "status": {"conditions": [{"type": CONDITION, "status": "True", "reason": "Attached"}]},
}
# What RBAC alone allows who may patch pods/status: the API server takes all of it.
OF_OTHERS: dict[str, Object] = {
    "another annotation": {"metadata": {"annotations": {NETWORKS: "vlan100"}}},
    "an annotation less": {"metadata": {"annotations": {"example.com/kept": None}}},
    "an annotation beside ours": {"metadata": {"annotations": {STATUS: "[]", "example.com/kept": "other"}}},
    "a label": {"metadata": {"labels": {"app": "database"}}},
    "a finalizer": {"metadata": {"finalizers": ["example.com/never"]}},
    "the name's origin": {"metadata": {"generateName": "other-"}},
    "the phase": {"status": {"phase": "Failed"}},
    "the address": {"status": {"podIP": "10.9.9.9", "podIPs": [{"ip": "10.9.9.9"}, {"$patch": "replace"}]}},
    "a message": {"status": {"message": "evicted"}},
    "an empty list of containers": {"status": {"containerStatuses": None}},
    "another condition": {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}},
    "a new condition": {"status": {"conditions": [{"type": "example.com/Gate", "status": "True"}]}},
    "a condition less": {"status": {"conditions": [{"type": "PodScheduled", "$patch": "delete"}]}},
}

Client = Callable[..., ApiAdmin]


def elsewhere(name: str) -> Object:
    """A Pod of a node that there is not: no kubelet ends it."""
    return pod(name, nodeName=NOWHERE, terminationGracePeriodSeconds=0)


@pytest.fixture(scope="module")
def client(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Client:
    """The API as the agent's account has it. The arguments are options of `kubectl create token`."""
    if cluster.get("validatingadmissionpolicy", "secnet-agent-pods") is None:
        pytest.skip("the component policies is not installed there")

    def make(*options: str) -> ApiAdmin:
        token = cluster.kubectl("-n", NAMESPACE, "create", "token", ACCOUNT, *options).strip()
        config = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        config["users"][0]["user"] = {"token": token}
        path: Path = tmp_path_factory.mktemp("agent") / "kubeconfig"
        path.write_text(json.dumps(config))
        return ApiAdmin(path, cluster.plane.namespace if isinstance(cluster, LocalCluster) else None)

    return make


@pytest.fixture(scope="module")
def node(cluster: Cluster) -> str:
    """The node whose agent's token is in the wrong hands."""
    return cluster.node_names[0]


@pytest.fixture(scope="module")
def agent(cluster: Cluster, client: Client, node: str) -> ApiAdmin:
    """With the token of that node's agent."""
    pods = cluster.list("pods", NAMESPACE, labels="app.kubernetes.io/component=agent")
    (name,) = [item["metadata"]["name"] for item in pods if item["spec"]["nodeName"] == node]
    return client("--bound-object-kind", "Pod", "--bound-object-name", name)


def refusal(client: ApiAdmin, method: str, path: str, body: Any = None, content_type: str = STRATEGIC) -> str:
    """The message of a 403; empty when the request was allowed. Raises Rejected for any other answer."""
    kind = content_type if method == "PATCH" else "application/json"
    try:
        client.request(method, path, body, kind)
    except Rejected as exc:
        if exc.status != 403:
            raise
        return str(exc.body["message"])
    return ""


def pod_path(namespace: OwnNamespace, name: str) -> str:
    return f"/api/v1/namespaces/{namespace.name}/pods/{name}"


def test_of_a_pod_the_agent_writes_its_annotation_and_its_condition_and_nothing_else(
    agent: ApiAdmin, namespace: OwnNamespace, node: str
) -> None:
    wanted = pod("own", node=node)
    wanted["metadata"] |= {"annotations": {"example.com/kept": "1"}, "labels": {"app": "web"}}
    namespace.apply(wanted)
    namespace.wait_ready()
    path = pod_path(namespace, "own")
    answers = {what: refusal(agent, "PATCH", f"{path}/status", patch) for what, patch in OF_OTHERS.items()}
    assert {what: text for what, text in answers.items() if "secnet-agent-pods" not in text} == {}
    before = namespace.get("pod", "own")
    assert refusal(agent, "PATCH", f"{path}/status", OURS) == ""
    gone = {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "x"}]}}
    for patch in ({"spec": {"containers": [{"name": "c", "image": "other:1"}]}}, gone):
        assert refusal(agent, "PATCH", f"{path}/status", patch) == "", "the API server takes no notice of it"
    after = namespace.get("pod", "own")
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"] | {STATUS: "[]"}
    assert [item["status"] for item in after["status"]["conditions"] if item["type"] == CONDITION] == ["True"]
    assert "ownerReferences" not in after["metadata"]


def test_pods_of_other_nodes_and_of_none_are_not_the_agents(
    agent: ApiAdmin, namespace: OwnNamespace, node: str
) -> None:
    namespace.apply(pod("waits", schedulingGates=[{"name": "example.com/wait"}]), elsewhere("other"))
    for name, where in (("other", NOWHERE), ("waits", "(none)")):
        text = refusal(agent, "PATCH", f"{pod_path(namespace, name)}/status", OURS)
        assert f"the agent of node {node} may not write to a Pod of node {where}" in text


@pytest.mark.parametrize("bound", ["nothing", "secret"])
def test_a_token_that_names_no_node_writes_nothing(
    client: Client, cluster: Cluster, namespace: OwnNamespace, bound: str
) -> None:
    namespace.apply(elsewhere("other"))
    if bound == "secret":
        cluster.kubectl("-n", NAMESPACE, "create", "secret", "generic", "sn-bound", "--from-literal=a=b")
    try:
        options = ("--bound-object-kind", "Secret", "--bound-object-name", "sn-bound") if bound == "secret" else ()
        nodeless = client(*options)
        text = refusal(nodeless, "PATCH", f"{pod_path(namespace, 'other')}/status", OURS)
        assert "secnet-agent-pods" in text
        assert "the agent of no node" in refusal(nodeless, "POST", *event(namespace, node=NOWHERE))
    finally:
        cluster.kubectl("-n", NAMESPACE, "delete", "secret", "sn-bound", "--ignore-not-found")


def event(namespace: OwnNamespace, *, node: str, **changes: Any) -> tuple[str, Object]:
    """Where an Event is made, and the Event as the agent makes it."""
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "own.", "namespace": namespace.name},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": "own", "namespace": namespace.name},
        "type": "Normal",
        "reason": "NetworksAttached",
        "message": "eth1",
        "count": 1,
        "source": {"component": ACCOUNT, "host": node},
        "reportingComponent": ACCOUNT,
        "reportingInstance": node,
    }
    return f"/api/v1/namespaces/{namespace.name}/events", body | changes


def test_events_bear_the_name_of_the_agent_and_its_node(
    agent: ApiAdmin, cluster: Cluster, namespace: OwnNamespace, node: str
) -> None:
    involved = {"apiVersion": "v1", "kind": "Secret", "name": "x", "namespace": namespace.name}
    forged = {
        "another node": {"reportingInstance": NOWHERE},
        "another host": {"source": {"component": ACCOUNT, "host": NOWHERE}},
        "another component": {"reportingComponent": "kubelet"},
        "another source": {"source": {"component": "kubelet", "host": node}},
        "another kind": {"involvedObject": involved},
        "another Node": {"involvedObject": involved | {"kind": "Node", "name": NOWHERE}},
    }
    answers = {what: refusal(agent, "POST", *event(namespace, node=node, **change)) for what, change in forged.items()}
    assert {what: text for what, text in answers.items() if "secnet-agent-events" not in text} == {}

    path, body = event(namespace, node=node)
    mine = agent.request("POST", path, body)["metadata"]["name"]
    theirs = cluster.admin.request("POST", path, body | {"reportingComponent": "kubelet"})["metadata"]["name"]
    assert refusal(agent, "PATCH", f"{path}/{mine}", {"count": 2, "lastTimestamp": "2030-01-01T00:00:00Z"}) == ""
    changes = {
        "message": {"message": "other"},
        "type": {"type": "Warning"},
        "label": {"metadata": {"labels": {"a": "b"}}},
        "finalizer": {"metadata": {"finalizers": ["example.com/never"]}},
        "owner": {"source": {"component": "kubelet"}},
    }
    answers = {what: refusal(agent, "PATCH", f"{path}/{mine}", change) for what, change in changes.items()}
    answers["another's"] = refusal(agent, "PATCH", f"{path}/{theirs}", {"count": 2})
    assert {what: text for what, text in answers.items() if "secnet-agent-events" not in text} == {}


@pytest.fixture
def used_pool(cluster: Cluster, namespace: OwnNamespace) -> Iterator[Object]:
    """A pool with ten addresses in use."""
    name = namespace.name
    path = f"/apis/crd.antrea.io/v1beta1/ippools/{name}"
    cluster.apply(pool(name, "10.20.0.10", "10.20.0.99", "10.20.0.1", 24))
    live = cluster.admin.request("GET", path)
    live["status"] = {"ipAddresses": [entry(number) for number in range(10)], "usage": {"used": 10, "total": 90}}
    yield cluster.admin.request("PUT", f"{path}/status", live)
    live = cluster.admin.request("GET", path)
    cluster.admin.request("PUT", f"{path}/status", live | {"status": {"ipAddresses": []}})
    cluster.kubectl("delete", "ippool", name)


def entry(number: int) -> Object:
    owner = {"pod": {"namespace": "default", "name": "x", "containerID": str(number), "ifName": "eth1"}}
    return {"ipAddress": f"10.20.0.{10 + number}", "phase": "Allocated", "owner": owner}


def test_the_addresses_of_a_pool_are_changed_few_at_a_time_and_never_its_ranges(
    agent: ApiAdmin, client: Client, used_pool: Object
) -> None:
    path = f"/apis/crd.antrea.io/v1beta1/ippools/{used_pool['metadata']['name']}"

    def put(entries: list[Object], who: ApiAdmin = agent, **spec: Any) -> str:
        live = agent.request("GET", path)
        body = live | {"status": live["status"] | {"ipAddresses": entries}, "spec": live["spec"] | spec}
        return refusal(who, "PUT", f"{path}/status", body)

    entries = used_pool["status"]["ipAddresses"]
    assert "secnet-agent-ippools" in put([])
    assert "secnet-agent-ippools" in put([*entries, entry(10), entry(11)])
    assert "secnet-agent-ippools" in put([entry(number) for number in range(10, 20)])
    assert "the agent of no node" in put(entries[1:], client())
    assert put([*entries, entry(10)], ipRanges=[{"cidr": "10.20.0.0/30"}]) == ""
    assert put(entries[1:]) == ""
    assert agent.request("GET", path)["spec"] == used_pool["spec"]


@pytest.fixture
def tainted(cluster: Cluster, node: str) -> Iterator[list[Object]]:
    """The taints of the agent's Node: another's, and the startup taint, both without effect on this test's Pods."""
    found = cluster.get("node", node)
    assert found is not None
    before = found["spec"].get("taints", [])
    taints = [*before, *({"key": key, "effect": "PreferNoSchedule"} for key in ("example.com/other", STARTUP_TAINT))]
    cluster.kubectl("patch", "node", node, "--type=merge", "-p", json.dumps({"spec": {"taints": taints}}))
    yield taints
    cluster.kubectl("patch", "node", node, "--type=merge", "-p", json.dumps({"spec": {"taints": before}}))


def test_of_nodes_the_agent_removes_its_startup_taint_from_its_own(
    agent: ApiAdmin, cluster: Cluster, node: str, tainted: list[Object]
) -> None:
    *others, ours = tainted
    patches: dict[str, Object] = {
        "a label": {"metadata": {"labels": {"role": "gateway"}}},
        "an annotation": {"metadata": {"annotations": {"a": "b"}}},
        "a finalizer": {"metadata": {"finalizers": ["example.com/never"]}},
        "cordoned": {"spec": {"unschedulable": True}},
        "another taint less": {"spec": {"taints": [ours]}},
        "no taint": {"spec": {"taints": None}},
        "a taint more": {"spec": {"taints": [*tainted, {"key": "example.com/more", "effect": "NoExecute"}]}},
        "another effect": {"spec": {"taints": [*others, ours | {"effect": "NoSchedule"}]}},
        "ours once more": {"spec": {"taints": [*tainted, ours | {"effect": "NoSchedule"}]}},
    }
    path = f"/api/v1/nodes/{node}"
    answers = {what: refusal(agent, "PATCH", path, patch, MERGE) for what, patch in patches.items()}
    theirs = [name for name in cluster.node_names if name != node]
    answers |= {name: refusal(agent, "PATCH", f"/api/v1/nodes/{name}", {"metadata": {}}, MERGE) for name in theirs}
    assert {what: text for what, text in answers.items() if "secnet-agent-nodes" not in text} == {}
    assert refusal(agent, "PATCH", path, {"spec": {"taints": others}}, MERGE) == ""


def test_everything_else_that_would_be_worth_a_token_is_refused(
    agent: ApiAdmin, cluster: Cluster, namespace: OwnNamespace, node: str
) -> None:
    namespace.apply(elsewhere("own"))
    own, core = pod_path(namespace, "own"), f"/api/v1/namespaces/{namespace.name}"
    policies = "/apis/admissionregistration.k8s.io/v1"
    evil = pod("evil", node=node, hostPID=True)
    asked: dict[str, tuple[Any, ...]] = {
        "an image": ("PATCH", own, {"spec": {"containers": [{"name": "c", "image": "other:1"}]}}),
        "a label": ("PATCH", own, {"metadata": {"labels": {"a": "b"}}}),
        "the whole status": ("PUT", f"{own}/status", namespace.get("pod", "own")),
        "delete a Pod": ("DELETE", own),
        "evict a Pod": ("POST", f"{own}/eviction", {}),
        "make a Pod": ("POST", f"{core}/pods", evil),
        "a shell": ("POST", f"{own}/exec?command=sh&stdout=true"),
        "a debug container": ("PATCH", f"{own}/ephemeralcontainers", {}),
        "a secret": ("GET", f"{core}/secrets"),
        "a configuration": ("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps"),
        "a token": ("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{ACCOUNT}/token", {}),
        "the status of its Node": ("PATCH", f"/api/v1/nodes/{node}/status", {"status": {}}),
        "a NAD": (
            "PATCH",
            f"/apis/k8s.cni.cncf.io/v1/namespaces/{namespace.name}/network-attachment-definitions/x",
            {},
        ),
        "a pool": ("POST", "/apis/crd.antrea.io/v1beta1/ippools", {}),
        "delete a pool": ("DELETE", "/apis/crd.antrea.io/v1beta1/ippools/x"),
        "its DaemonSet": ("PATCH", f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets/{ACCOUNT}", {}),
        "its role": ("PATCH", f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{ACCOUNT}", {}),
        "a policy": ("PATCH", f"{policies}/validatingadmissionpolicies/secnet-agent-pods", {}),
        "a binding": ("DELETE", f"{policies}/validatingadmissionpolicybindings/secnet-agent-pods"),
    }
    answers = {what: refusal(agent, *request) for what, request in asked.items()}
    assert {what: text for what, text in answers.items() if "cannot" not in text} == {}, "RBAC refuses"


def test_the_agent_does_all_of_its_work_within_the_policies(cluster: Cluster, namespace: OwnNamespace) -> None:
    began = datetime.now(UTC)
    name = namespace.name
    namespace.apply(pool(name, "10.21.0.10", "10.21.0.99", "10.21.0.1", 24), nad("net", 321, name))
    namespace.apply(pod("a", "net", readinessGates=[{"conditionType": CONDITION}]))
    namespace.wait_ready("a")
    assert network_status(namespace.get("pod", "a"))[0]["ips"] == ["10.21.0.10"]
    cluster.wait(lambda: "NetworksAttached" in namespace.kubectl("get", "events"), "the Event", 20)
    namespace.kubectl("delete", "pod", "a")
    live = f"/apis/crd.antrea.io/v1beta1/ippools/{name}"
    cluster.wait(lambda: not cluster.admin.request("GET", live)["status"]["ipAddresses"], "its address is free", 20)
    cluster.kubectl("delete", "ippool", name)
    if isinstance(cluster, LocalCluster):
        assert cluster.refused(since=began) == []
