"""The admission policies of the component: each is bound, and their words are those of the code.

What they refuse is asked of a real API server: tests/kubernetes/test_rights.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from secnet.agent.cluster.kube import POLICED_RULES, RULES
from secnet.agent.preflight.startup_taint import STARTUP_TAINT
from secnet.agent.status._condition import CONDITION_TYPE
from secnet.agent.status._network_status import STATUS_ANNOTATION
from secnet_testing.documents import ROOT

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
