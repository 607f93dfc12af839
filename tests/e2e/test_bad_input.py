"""Bad input of every class, all at once beside a healthy Pod: each is shown with object and path, and harms no one else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from secnet_testing.invalid_objects import CASES, FILES, Case, FileCase
from secnet_testing.node import Node, play_node
from secnet_testing.node_inspection import addresses, errors_of, link, network, problems, secnet
from secnet_testing.objects import as_manifest, nad, pod, pool
from secnet_testing.traffic import traffic

pytestmark = pytest.mark.ovs

GOOD = (
    nad("good", vlan=10, pools=["good"]),
    pool("good", "10.10.0.2-10.10.0.99", gateway="10.10.0.1", prefix=24),
)


@dataclass(frozen=True, kw_only=True)
class World:
    """What a node shows when all cases are there at once. findings: what `validate` says about the same files."""

    node: Node
    status: dict[str, Any]
    findings: list[dict[str, Any]]
    lost: int


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The agent with all cases in its manifest directory; a Pod pings another all the while."""
    with play_node(tmp_path_factory.mktemp("node")) as node:
        node.put("good.yaml", as_manifest(*GOOD, *(pod(name, node.pod(name).path, "good") for name in ("web", "db"))))
        node.agent()
        node.wait_attached("web", "db")
        with traffic(node.pod("db"), addresses(node.pod("web"), "eth1")[0].split("/")[0]) as flow:
            for case in CASES:
                made = pod(case.name, node.pod(case.name).path, case.networks)
                node.put(f"{case.name}.yaml", as_manifest(*case.objects, made))
            for file in FILES:
                (node.manifests / f"{file.name}.yaml").write_bytes(file.content)
            node.wait_until(lambda: all(_has_error(node, case) for case in CASES), "an error of each Pod")
            node.wait_until(lambda: len(problems(node)) >= len(FILES), "a problem of each file")
            flow.flows()
            lost = flow.lost
        yield World(node=node, status=node.status(), findings=_validate(node), lost=lost)


def _validate(node: Node) -> list[dict[str, Any]]:
    done = secnet("validate", node.manifests, node.config, "--json")
    assert done.returncode == 1, done.stderr
    findings: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return findings


def _has_error(node: Node, case: Case) -> bool:
    report = node.report(case.name)
    return report is not None and (report.error is not None or any(item.error for item in report.networks))


def _problem(status: dict[str, Any], file: FileCase) -> dict[str, Any] | None:
    return next((item for item in status["problems"] if f"/{file.name}.yaml" in item["source"]), None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_status_names_object_path_and_remedy(world: World, case: Case) -> None:
    error = errors_of(world.status, case.name)[0]
    assert (error["reason"], error.get("path", "")) == (case.reason, case.path)
    assert case.subject in error["subject"]
    assert case.says in f"{error['message']}; {error['hint']}"
    assert error["hint"]


@pytest.mark.parametrize("case", [case for case in CASES if case.offline], ids=lambda case: case.name)
def test_validate_finds_it_offline(world: World, case: Case) -> None:
    found = [item for item in world.findings if item["file"].endswith(f"/{case.name}.yaml") and not item["note"]]
    assert any(item["path"].endswith(case.path) and case.subject in item["object"] for item in found), found
    assert all(item["message"] and item["hint"] and item["object"] and item["line"] for item in found)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_broken_manifest_is_shown_with_its_place(world: World, file: FileCase) -> None:
    problem = _problem(world.status, file)
    assert problem is not None
    assert f"/{file.name}.yaml{file.place}" in problem["source"]
    assert file.says in problem["message"]
    assert problem["hint"]
    assert [item for item in world.findings if f"/{file.name}.yaml" in item["file"] and not item["note"]]


def test_no_one_else_was_harmed(world: World) -> None:
    assert world.lost == 0
    assert network(world.status, "web", "eth1")["phase"] == "Attached"


def test_what_is_right_of_a_pod_is_attached(world: World) -> None:
    assert addresses(world.node.pod("name-twice"), "eth5")
    assert network(world.status, "one-of-two", "eth1")["phase"] == "Attached"
    assert network(world.status, "one-of-two", "eth2")["phase"] == "Failed"


def test_one_bad_selection_keeps_no_other_network_from_being_attached(world: World) -> None:
    assert network(world.status, "second-element", "eth1")["phase"] == "Attached"
    assert network(world.status, "second-element", "eth2")["phase"] == "Failed"
    assert addresses(world.node.pod("two-default-routes"), "eth1")


def test_a_refused_selection_is_not_attached(world: World) -> None:
    with_another = ("second-element", "two-default-routes")
    refused = [case for case in CASES if case.reason == "InvalidAnnotation" and case.name not in with_another]
    assert len(refused) > 10
    assert [case.name for case in refused if any(link(world.node.pod(case.name), f"eth{n}") for n in (1, 2))] == []


def test_status_and_agent_say_no_traceback(world: World) -> None:
    assert "Traceback" not in world.node.agents[-1].text
    done = world.node.cli("status")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
