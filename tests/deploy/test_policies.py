"""The admission policies of the component: each is bound, and their words are those of the code.

What they refuse is asked of a real API server, with tokens of agents: tests/kubernetes/test_rights.py. How many addresses of a
pool one request may change needs no agent, and is asked here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import yaml
from secnet.agent.cluster.kube import POLICED_RULES, RULES
from secnet.agent.preflight.startup_taint import STARTUP_TAINT
from secnet.agent.status._condition import CONDITION_TYPE
from secnet.agent.status._network_status import STATUS_ANNOTATION
from secnet_testing.cluster_node import pool
from secnet_testing.documents import ROOT
from secnet_testing.kubeapi.admin import Rejected
from secnet_testing.kubeapi.api_server import ADMIN, http_request
from secnet_testing.kubeapi.real import RealApi

OBJECTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((ROOT / "deploy/components/policies/policies.yaml").read_text())
)
POLICIES = {obj["metadata"]["name"]: obj["spec"] for obj in OBJECTS if obj["kind"] == "ValidatingAdmissionPolicy"}
WRITES = {"create": "CREATE", "patch": "UPDATE", "update": "UPDATE"}


def test_each_is_bound_and_refuses_whatever_fails() -> None:
    bindings = [obj["spec"] for obj in OBJECTS if obj["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert bindings == [{"policyName": name, "validationActions": ["Deny"]} for name in POLICIES]
    assert {spec["failurePolicy"] for spec in POLICIES.values()} == {"Fail"}


def test_each_concerns_the_account_of_the_daemonset_alone() -> None:
    daemonset = yaml.safe_load((ROOT / "deploy/base/daemonset.yaml").read_text())
    account = daemonset["spec"]["template"]["spec"]["serviceAccountName"]
    for spec in POLICIES.values():
        (condition,) = spec["matchConditions"]
        assert f"^system:serviceaccount:[^:]+:{account}$" in condition["expression"]


def test_every_write_that_the_roles_allow_is_within_one() -> None:
    allowed = {
        (group, resource, WRITES[verb])
        for rule in (*RULES, *POLICED_RULES)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if verb in WRITES
    }
    policed = {
        (group, resource, operation)
        for spec in POLICIES.values()
        for rule in spec["matchConstraints"]["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for operation in rule["operations"]
    }
    assert policed == allowed


@pytest.mark.parametrize(
    ("policy", "word"),
    [
        ("secnet-agent-pods", STATUS_ANNOTATION),
        ("secnet-agent-pods", CONDITION_TYPE),
        ("secnet-agent-nodes", STARTUP_TAINT),
    ],
)
def test_what_the_agent_writes_is_named(policy: str, word: str) -> None:
    assert f"'{word}'" in json.dumps([POLICIES[policy]["variables"], POLICIES[policy]["validations"]])


# Up to so many entries of a pool are compared one by one.
COMPARED = 500
Entries = Sequence[dict[str, Any]]
Change = Callable[[Entries, Entries], str]


def entries(count: int, *, owner: str = "a" * 64) -> list[dict[str, Any]]:
    """Of the longest addresses, and with containers named as runtimes name them."""
    pod = {"namespace": "default", "name": "a", "containerID": owner, "ifName": "eth1"}
    return [
        {
            "ipAddress": f"2001:db8:1111:2222:3333:4444:5555:{0x1000 + number:x}",
            "phase": "Allocated",
            "owner": {"pod": pod},
        }
        for number in range(count)
    ]


@pytest.fixture
def change(real_api: RealApi) -> Iterator[Change]:
    """What a real API server says to an agent that changes the entries of a pool from these to those; empty if it may."""
    path = real_api.path_of(real_api.create(pool("blue")))
    agent = {
        "Authorization": f"Bearer {ADMIN}",
        "Content-Type": "application/json",
        # As in the token of an agent's Pod, but for the group, which spares it a role.
        "Impersonate-User": "system:serviceaccount:secnet-system:secnet-agent",
        "Impersonate-Group": "system:masters",
        "Impersonate-Extra-authentication.kubernetes.io%2fnode-name": "n1",
    }

    def ask(before: Entries, after: Entries) -> str:
        live = real_api.request("GET", path)
        live = real_api.request("PUT", f"{path}/status", live | {"status": {"ipAddresses": list(before)}})
        changed = live | {"status": {"ipAddresses": list(after)}}
        try:
            http_request("PUT", f"{real_api.url}{path}/status?dryRun=All", changed, agent, real_api.trust())
        except Rejected as exc:
            return str(exc.body["message"])
        return ""

    ours = [obj for obj in OBJECTS if obj["metadata"]["name"] == "secnet-agent-ippools"]
    try:
        for obj in ours:
            real_api.create(obj)
        deadline = time.monotonic() + 30
        while not ask(entries(10), []):
            assert time.monotonic() < deadline, "the policy has no effect"
        yield ask
    finally:
        for obj in ours:
            real_api.remove(obj)


@pytest.mark.kubernetes
@pytest.mark.parametrize("count", [20, COMPARED], ids=["few", "as many as are compared"])
def test_few_addresses_of_a_pool_are_changed_at_a_time(change: Change, count: int) -> None:
    all_of_them, one_more = entries(count), entries(count + 1)
    assert change(all_of_them, one_more) == ""
    assert change(all_of_them, all_of_them[8:]) == ""
    assert change(all_of_them, [*all_of_them[4:8], *all_of_them[:4], *all_of_them[9:], one_more[-1]]) == ""
    more, fewer = "may allocate one address", "may release eight addresses"
    assert more in change(all_of_them, entries(count + 2))
    assert fewer in change(all_of_them, all_of_them[9:])
    assert more in change(all_of_them, [*all_of_them[2:], *entries(count + 2)[-2:]])
    assert more in change(all_of_them, entries(count, owner="b" * 64)), "the same addresses, all of another owner"
    assert fewer in change(all_of_them, [all_of_them[0]] * count), "one address in the place of all"


@pytest.mark.kubernetes
def test_of_a_larger_pool_the_number_alone_is_bounded(change: Change) -> None:
    count = COMPARED + 1
    assert change(entries(count), entries(count + 1)) == ""
    assert change(entries(count), entries(count, owner="b" * 64)) == ""
    assert "may allocate one address" in change(entries(count), entries(count + 2))
    assert "may release eight addresses" in change(entries(count), entries(count - 9))
