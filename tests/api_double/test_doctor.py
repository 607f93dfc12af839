"""`secnet doctor` with a cluster: with the rights and the definitions of deploy/, against an API server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from secnet_testing.antrea import antrea_agent
from secnet_testing.cluster_node import ClusterNodeFactory
from secnet_testing.documents import ROOT
from secnet_testing.kubeapi.process import KubeApiProcess
from secnet_testing.secnet_command import run_secnet

NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}
CRDS = tuple(
    yaml.safe_load((ROOT / "deploy/crds" / f"{name}.yaml").read_text())
    for name in ("network-attachment-definitions", "ippools")
)
RULES: Sequence[dict[str, Any]] = yaml.safe_load((ROOT / "deploy/base/clusterrole.yaml").read_text())["rules"]
POOLS = CRDS[1]["metadata"]["name"]


@pytest.fixture(scope="module")
def server() -> Iterator[KubeApiProcess]:
    made = KubeApiProcess(crds=())
    yield made
    made.stop()


@pytest.fixture
def api(server: KubeApiProcess) -> Iterator[KubeApiProcess]:
    """A server with the definitions of deploy/ and a Node."""
    for each in (*CRDS, NODE):
        server.create(each)
    yield server
    server.reset()
    left = {
        each["metadata"]["name"] for each in server.items("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
    }
    for each in CRDS:
        if each["metadata"]["name"] in left:
            server.delete(each)


def doctor(api: KubeApiProcess, folder: Path, rules: Sequence[dict[str, Any]] = RULES) -> dict[str, tuple[str, str]]:
    """Level and finding of everything that was looked at."""
    api.add_token("agent-token", rules)
    config = folder / "node.yaml"
    kubeconfig = api.kubeconfig(folder / "kubeconfig", "agent-token")
    config.write_text(json.dumps({"nodeName": "node-1", "kubernetes": {"kubeconfig": str(kubeconfig)}}))
    done = run_secnet("doctor", "--json", "--config", config, timeout=60)
    assert done.stderr == ""
    results = json.loads(done.stdout)
    assert done.returncode == any(each["level"] == "FAIL" for each in results)
    return {each["what"]: (each["level"], each["finding"]) for each in results}


def of_the_cluster(results: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    return {
        what: result
        for what, result in results.items()
        if what.startswith(("Kubernetes API", "CRD ", "access ", "Antrea agent"))
    }


def failed(results: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {what: finding for what, (level, finding) in of_the_cluster(results).items() if level == "FAIL"}


@pytest.mark.runtime
def test_a_node_where_all_is_well(cluster_node_factory: ClusterNodeFactory) -> None:
    node = cluster_node_factory(sync=True)
    node.node.agent()
    node.wait_chained()
    done = node.node.cli("doctor")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    for line in ("Kubernetes API: answers", "CNI chain: ", "access to pods: ", "Antrea agent: none", "CRI socket"):
        assert f"ok    {line}" in done.stdout


def test_the_rights_and_definitions_of_deploy_suffice(api: KubeApiProcess, tmp_path: Path) -> None:
    results = of_the_cluster(doctor(api, tmp_path))
    assert {what for what, (level, _) in results.items() if level != "ok"} == set()
    assert {"Kubernetes API", f"CRD {POOLS}", "access to pods/status", "Antrea agent"} <= results.keys()
    assert results["Antrea agent"][1] == "none in this cluster"
    with_reviews = api.requests("agent-token")
    assert {each["method"] for each in with_reviews} == {"GET", "POST"}
    assert {each["path"] for each in with_reviews if each["method"] == "POST"} == {
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    }


def test_a_definition_that_is_missing(api: KubeApiProcess, tmp_path: Path) -> None:
    api.delete(CRDS[1])
    assert failed(doctor(api, tmp_path)) == {f"CRD {POOLS}": "is not installed"}


def test_a_definition_is_found_by_discovery_without_the_right_to_read_it(api: KubeApiProcess, tmp_path: Path) -> None:
    hidden = [rule for rule in RULES if rule["resources"] != ["customresourcedefinitions"]]
    level, finding = doctor(api, tmp_path, hidden)[f"CRD {POOLS}"]
    assert (level, finding.split(";")[0]) == ("ok", "serves v1beta1")
    api.delete(CRDS[1])
    assert failed(doctor(api, tmp_path, hidden)) == {f"CRD {POOLS}": "crd.antrea.io/v1beta1 is not served"}


@pytest.mark.parametrize(("resource", "verbs"), [("pods/status", "patch"), ("daemonsets", "get")])
def test_a_rule_that_is_missing(api: KubeApiProcess, tmp_path: Path, resource: str, verbs: str) -> None:
    fewer = [rule for rule in RULES if rule["resources"] != [resource]]
    (what, finding), *more = failed(doctor(api, tmp_path, fewer)).items()
    assert (what.split()[2].partition(".")[0], finding, more) == (resource, f"{verbs} is not allowed", [])


@pytest.mark.parametrize("on", [True, False])
def test_an_agent_of_antrea(api: KubeApiProcess, tmp_path: Path, on: bool) -> None:
    for obj in antrea_agent(secondary_network=on):
        api.create(obj)
    level, finding = doctor(api, tmp_path)["Antrea agent"]
    assert (level, "would free our addresses" in finding) == (("FAIL", True) if on else ("ok", False))


def test_a_server_that_does_not_answer(api: KubeApiProcess, tmp_path: Path) -> None:
    api.outage(True)
    level, finding = doctor(api, tmp_path)["Kubernetes API"]
    assert (level, bool(finding)) == ("FAIL", True)
