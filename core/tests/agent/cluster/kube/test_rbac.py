"""The rules of the agent's ClusterRole."""

from __future__ import annotations

import pytest
import yaml
from secnet.agent.cluster.kube.rbac import RULES, rule_text

READS = {"get", "list", "watch"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: "+".join(rule["resources"]))
def test_no_rule_is_wider_than_what_it_names(rule: dict[str, list[str]]) -> None:
    assert not {"*"} & {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
    assert "delete" not in rule["verbs"]
    if "nodes" in rule["resources"]:
        assert set(rule["verbs"]) == {"get"}, "of all Nodes only the one that it runs on, by name"
    if "pods" in rule["resources"]:
        assert set(rule["verbs"]) <= READS, "who may patch Pods may run any image"
    if "network-attachment-definitions" in rule["resources"]:
        assert set(rule["verbs"]) <= READS


def test_a_rule_in_words_is_one_that_can_be_pasted() -> None:
    assert yaml.safe_load(rule_text("crd.antrea.io", "ippools/status", "update")) == {
        "apiGroups": ["crd.antrea.io"],
        "resources": ["ippools/status"],
        "verbs": ["update"],
    }
