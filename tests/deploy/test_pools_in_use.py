"""The policy that keeps IPPools with addresses in use from being deleted, and made again without them."""

from __future__ import annotations

from typing import Any

import pytest
from secnet_testing.admission import Policy
from secnet_testing.cluster_node import pool

ENTRY = {"ipAddress": "10.10.0.10", "phase": "Allocated", "owner": {"pod": {"namespace": "default", "name": "a"}}}


@pytest.fixture
def policy(built: dict[str, Any]) -> Policy:
    return Policy(built["ValidatingAdmissionPolicy"])


def test_it_is_bound_and_refuses_whatever_fails(built: dict[str, Any], policy: Policy) -> None:
    binding = built["ValidatingAdmissionPolicyBinding"]["spec"]
    assert binding == {"policyName": policy.name, "validationActions": ["Deny"]}
    assert policy.spec["failurePolicy"] == "Fail"


def test_it_sees_deletions_of_pools_and_nothing_else(policy: Policy) -> None:
    assert policy.matches("crd.antrea.io", "ippools", "DELETE")
    for operation in ("CREATE", "UPDATE", "CONNECT"):
        assert not policy.matches("crd.antrea.io", "ippools", operation)
    assert not policy.matches("crd.antrea.io", "antreanodeconfigs", "DELETE")
    assert not policy.matches("", "pods", "DELETE")


def test_a_pool_in_use_stays_and_the_answer_says_what_to_do(policy: Policy) -> None:
    (said,) = policy.refusals(None, pool("blue") | {"status": {"ipAddresses": [ENTRY, ENTRY]}})
    assert "IPPool blue has 2 addresses in use" in said
    assert "Delete the Pods that have them first" in said


@pytest.mark.parametrize(
    "status",
    [None, {}, {"usage": {"used": 0, "total": 9}}, {"ipAddresses": []}],
    ids=["none", "empty", "usage", "list"],
)
def test_a_pool_out_of_use_may_go(policy: Policy, status: dict[str, Any] | None) -> None:
    old = pool("blue") | ({} if status is None else {"status": status})
    assert policy.refusals(None, old) == []
