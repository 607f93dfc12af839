"""What the commands do where the Kubernetes API is the source of the objects: they leave the store of our own alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from secnet.agent.cli import main
from secnet.agent.cluster.kube import RULES
from secnet.agent.model.report import NetworkReport, PodReport
from secnet.agent.state.reports import Reports
from secnet_testing.cluster_node import nad, pod, pool
from secnet_testing.contract_objects import POD
from secnet_testing.kubeapi.process import KubeApiProcess


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "node.yaml"
    file.write_text("kubernetes: {}\nrunDir: run\nstateDir: state\n", encoding="utf-8")
    return file


def test_status_shows_the_reports_of_the_agent(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = NetworkReport(network="default/red", phase="Attached", interface="eth1", network_type="vlan")
    Reports(config.parent / "run").write(PodReport(pod=POD, networks=(network,)))
    assert main(["status", "--config", str(config)]) == 1, "the agent of this cluster is not there"
    assert capsys.readouterr().out.splitlines()[2].split()[:5] == [
        "default/web",
        "default/red",
        "eth1",
        "vlan",
        "Attached",
    ]
    assert main(["status", "--json", "--config", str(config)]) == 1
    assert json.loads(capsys.readouterr().out)["pods"][0]["pod"]["name"] == "web"
    assert not (config.parent / "state").exists()


@pytest.fixture
def connected(config: Path, kubeapi: KubeApiProcess, tmp_path: Path) -> Path:
    """The same with the agent's credentials."""
    kubeconfig = kubeapi.kubeconfig(tmp_path / "kubeconfig", kubeapi.add_token("agent-token", RULES))
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("{}", f"{{kubeconfig: {kubeconfig}}}") + "nodeName: node-1\n", encoding="utf-8")
    return config


def test_get_shows_the_objects_of_the_api_and_of_pods_those_of_this_node(
    connected: Path, kubeapi: KubeApiProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    for each in (pool("blue"), nad("blue"), pod("here", "blue"), pod("there", "blue", node="node-2")):
        kubeapi.create(each)
    assert main(["get", "ippools", "--config", str(connected)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[0] == "blue"
    assert main(["get", "nads", "-o", "json", "--config", str(connected)]) == 0
    assert [each["metadata"]["name"] for each in json.loads(capsys.readouterr().out)["items"]] == ["blue"]
    assert main(["get", "pods", "--config", str(connected)]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:]] == [["default", "here"]]
    assert main(["get", "pod", "here", "--json", "--config", str(connected)]) == 0
    assert json.loads(capsys.readouterr().out)["spec"]["nodeName"] == "node-1"
    assert main(["get", "pod", "nobody", "--config", str(connected)]) == 1
    assert "Pod default/nobody" in capsys.readouterr().err
    assert not (connected.parent / "state").exists()


def test_get_says_what_is_missing_where_the_api_cannot_be_asked(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["get", "pods", "--config", str(config)]) == 1
    assert "kubernetes.kubeconfig" in capsys.readouterr().err
    assert not (config.parent / "state").exists()


@pytest.mark.parametrize("command", ["apply", "delete"])
def test_nothing_is_put_into_a_store_that_no_one_reads(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (tmp_path / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", encoding="utf-8")
    assert main([command, str(tmp_path / "pod.yaml"), "--config", str(config)]) == 1
    assert f"`kubectl {command} -f`" in capsys.readouterr().err
    assert not (config.parent / "state").exists()


def antrea_state(config: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What `secnet drivers` says of the backend that needs objects."""
    assert main(["drivers", "--json", "--config", str(config)]) == 0
    (state,) = (row["state"] for row in json.loads(capsys.readouterr().out) if row["name"] == "antrea")
    assert not (config.parent / "state").exists()
    return str(state)


def test_drivers_asks_the_api_for_the_pools(
    connected: Path, kubeapi: KubeApiProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    kubeapi.create(pool("blue"))
    assert antrea_state(connected, capsys) == "ready"
    assert [each["path"].partition("?")[0].rpartition("/")[2] for each in kubeapi.requests("agent-token")] == [
        "ippools"
    ]


def test_drivers_works_where_the_api_cannot_be_asked(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As outside of the cluster, without a service account."""
    assert "not ready" in antrea_state(config, capsys)
