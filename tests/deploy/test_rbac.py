"""The ClusterRoles are what the agent and the backends declare, and no more."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path

import yaml
from secnet.agent.cluster.kinds import KINDS
from secnet.agent.plugins.registry import Registry
from secnet_testing.documents import ROOT

RENDER = ROOT / "deploy/render.py"
ROLE = ROOT / "deploy/base/clusterrole.yaml"
POLICED = ROOT / "deploy/components/policies/clusterrole.yaml"
DRA = ROOT / "deploy/components/dra/clusterrole.yaml"

Right = tuple[str, str, str]


def render(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RENDER), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def rights(text: str) -> set[Right]:
    """Group, resource and verb of everything that a role allows."""
    found: set[Right] = set()
    for rule in yaml.safe_load(text)["rules"]:
        assert rule.keys() - {"resourceNames"} == {"apiGroups", "resources", "verbs"}
        found.update(product(rule["apiGroups"], rule["resources"], rule["verbs"]))
    return found


def test_the_committed_role_is_fresh() -> None:
    done = render("--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_stale_role_is_found_and_written_again(tmp_path: Path) -> None:
    files = {path: tmp_path / path.relative_to(ROOT / "deploy") for path in (ROLE, POLICED, DRA)}
    for path, file in files.items():
        file.parent.mkdir(parents=True)
        file.write_text(path.read_text())
    files[ROLE].write_text(ROLE.read_text().replace("ippools", "pools"))
    stale = render("--check", "--to", tmp_path)
    assert (stale.returncode, stale.stdout) == (1, "deploy: base/clusterrole.yaml is out of date: run make deploy\n")
    assert render("--to", tmp_path).returncode == 0
    assert [file.read_text() for file in files.values()] == [path.read_text() for path in files]


def test_each_kind_of_our_backends_may_be_read_and_its_status_updated() -> None:
    have = rights(ROLE.read_text())
    plugins = [item for item in Registry.load().backends.values() if item.distribution == "secnet-ipam"]
    kinds = {kind for plugin in plugins for kind in plugin.info.kinds}
    assert [(kind.kind, KINDS[kind.kind].api_version) for kind in kinds] == [("IPPool", "crd.antrea.io/v1beta1")]
    for kind in kinds:
        group, plural = kind.group, kind.plural
        wanted = {(group, plural, verb) for verb in ("get", "list", "watch")} | {(group, f"{plural}/status", "update")}
        assert {right for right in have if right[:2] in {(group, plural), (group, f"{plural}/status")}} >= wanted


def test_the_agent_can_neither_delete_nor_escalate() -> None:
    have = rights(ROLE.read_text())
    assert {verb for _, _, verb in have} <= {"get", "list", "watch", "create", "patch", "update"}
    assert "*" not in {word for right in have for word in right}
    assert {resource for _, resource, verb in have if verb == "create"} <= {"events", "selfsubjectaccessreviews"}
    named = {
        rule["resources"][0]: rule for rule in yaml.safe_load(ROLE.read_text())["rules"] if "resourceNames" in rule
    }
    assert {"daemonsets", "configmaps"} & {resource for _, resource, _ in have} == named.keys()
    assert {verb for rule in named.values() for verb in rule["verbs"]} == {"get"}
    assert "secrets" not in {resource for _, resource, _ in have}


def test_pods_and_nodes_are_written_within_a_policy_only() -> None:
    """Pods but their status: never. Nodes: with the policy that keeps it to one taint."""
    have = rights(ROLE.read_text())
    assert {verb for group, resource, verb in have if (group, resource) == ("", "pods")} == {"get", "list", "watch"}
    assert {verb for group, resource, verb in have if (group, resource) == ("", "nodes")} == {"get"}
    assert rights(POLICED.read_text()) == {("", "nodes", "patch")}


def test_what_dra_drivers_publish_is_listed_with_its_component_only() -> None:
    assert rights(DRA.read_text()) == {("resource.k8s.io", "resourceslices", "list")}
    assert not {right for right in rights(ROLE.read_text()) if right[0] == "resource.k8s.io"}


def test_a_third_party_backend_gets_its_rights_on_request() -> None:
    """Everything installed here is counted, which is at least what is ours."""
    done = render("--print")
    assert done.returncode == 0, done.stderr
    assert rights(done.stdout) >= rights(ROLE.read_text())
