"""Node groups: which one matches, what it sets, and what is wrong in one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.config.node_groups import group_of
from secnet.agent.config.settings import Settings, load_settings
from secnet.agent.plugins.registry import Registry
from secnet.contract import InvalidConfig, thaw
from secnet_testing.sample_plugins import sample_entry_points

REGISTRY = Registry.load(sample_entry_points)
TEXT = """
kubernetes: {}
ovsBridges: [{bridgeName: br1}]
log: {level: debug}
nodeGroups:
  rack-a:
    selector: {matchLabels: {rack: a}}
    secondaryNetwork: {ovsBridges: [{bridgeName: br-a}]}
    log: {format: json}
  storage:
    selector: {matchExpressions: [{key: storage, operator: Exists}]}
    ovsdb: tcp:127.0.0.1:6640
"""


def load(folder: Path, labels: Mapping[str, str] | None, text: str = TEXT) -> Settings:
    path = folder / "node.yaml"
    path.write_text(text)
    return load_settings(path, REGISTRY, labels=labels)


def bridge(settings: Settings) -> Any:
    return thaw(settings.drivers)["vlan"]["ovsBridges"][0]["bridgeName"]


@pytest.mark.parametrize("labels", [None, {}, {"rack": "b"}])
def test_without_a_match_the_rest_holds_alone(tmp_path: Path, labels: Mapping[str, str] | None) -> None:
    found = load(tmp_path, labels)
    assert (set(found.node_groups), found.node_group, bridge(found)) == ({"rack-a", "storage"}, "", "br1")
    assert (found.log_level, found.log_format) == ("debug", "console")


def test_a_group_is_the_highest_layer(tmp_path: Path) -> None:
    found = load(tmp_path, {"rack": "a"})
    assert (found.node_group, bridge(found)) == ("rack-a", "br-a")
    assert (found.log_level, found.log_format) == ("debug", "json")
    found = load(tmp_path, {"storage": ""})
    assert (found.node_group, bridge(found), found.ovsdb) == ("storage", "br1", "tcp:127.0.0.1:6640")


def test_two_matching_groups_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="match the node groups rack-a and storage") as caught:
        load(tmp_path, {"rack": "a", "storage": "yes"})
    assert str(tmp_path / "node.yaml") in caught.value.subject
    assert caught.value.path == "$.nodeGroups"


def test_without_groups_there_are_none(tmp_path: Path) -> None:
    found = load(tmp_path, {"rack": "a"}, "log: {level: debug}")
    assert (found.node_groups, found.node_group) == ({}, "")


@pytest.mark.parametrize(
    ("expression", "labels", "matches"),
    [
        ({"operator": "In", "values": ["a", "b"]}, {"x": "b"}, True),
        ({"operator": "In", "values": ["a"]}, {"x": "b"}, False),
        ({"operator": "In", "values": ["a"]}, {}, False),
        ({"operator": "NotIn", "values": ["a"]}, {"x": "b"}, True),
        ({"operator": "NotIn", "values": ["a"]}, {"x": "a"}, False),
        ({"operator": "NotIn", "values": ["a"]}, {}, True),
        ({"operator": "Exists"}, {"x": ""}, True),
        ({"operator": "Exists"}, {"y": ""}, False),
        ({"operator": "DoesNotExist"}, {"y": ""}, True),
        ({"operator": "DoesNotExist"}, {"x": ""}, False),
    ],
)
def test_expressions_mean_what_they_do_in_kubernetes(
    expression: dict[str, Any], labels: dict[str, str], matches: bool
) -> None:
    groups = {"g": {"selector": {"matchExpressions": [{"key": "x", **expression}]}}}
    assert group_of(groups, labels) == ("g" if matches else "")


def test_everything_in_a_selector_must_hold() -> None:
    selector = {"matchLabels": {"x": "1", "y": "2"}, "matchExpressions": [{"key": "z", "operator": "Exists"}]}
    groups = {"g": {"selector": selector}}
    assert group_of(groups, {"x": "1", "y": "2", "z": ""}) == "g"
    assert group_of(groups, {"x": "1", "y": "2"}) == ""
    assert group_of(groups, {"x": "1", "z": ""}) == ""


@pytest.mark.parametrize(
    ("group", "path", "words"),
    [
        ("{}", "$.nodeGroups.g.selector", "missing"),
        ("{selector: {}}", "$.nodeGroups.g.selector", "short"),
        ("{selector: {matchLabels: {a: 1}}}", "$.nodeGroups.g.selector.matchLabels.a", "quotes"),
        ("{selector: {matchlabels: {a: b}}}", "$.nodeGroups.g.selector.matchlabels", "matchLabels"),
        (
            "{selector: {matchExpressions: [{key: a, operator: In}]}}",
            "$.nodeGroups.g.selector.matchExpressions[0].values",
            "In needs values",
        ),
        (
            "{selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}",
            "$.nodeGroups.g.selector.matchExpressions[0].values",
            "takes no values",
        ),
        ("{selector: {matchLabels: {a: b}}, ovsBrigdes: []}", "$.nodeGroups.g.ovsBrigdes", "ovsBridges"),
        ("{selector: {matchLabels: {a: b}}, kubernetes: {}}", "$.nodeGroups.g.kubernetes", "cannot set kubernetes"),
        ("{selector: {matchLabels: {a: b}}, nodeGroups: {}}", "$.nodeGroups.g.nodeGroups", "cannot set nodeGroups"),
        (
            "{selector: {matchLabels: {a: b}}, ovsBridges: [{}]}",
            "$.nodeGroups.g.ovsBridges[0].bridgeName",
            "missing",
        ),
    ],
)
def test_what_is_wrong_in_a_group_is_found_whether_it_matches_or_not(
    tmp_path: Path, group: str, path: str, words: str
) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load(tmp_path, None, f"kubernetes: {{}}\nnodeGroups: {{g: {group}}}")
    assert caught.value.path == path
    assert words in str(caught.value)


def test_groups_of_different_files_are_one_set(tmp_path: Path) -> None:
    (tmp_path / "node.d").mkdir()
    (tmp_path / "node.d/a.yaml").write_text("nodeGroups: {g: {selector: {matchLabels: {a: b}}, ovsBridges: [{}]}}")
    with pytest.raises(InvalidConfig) as caught:
        load(tmp_path, None)
    assert caught.value.subject.endswith("node.d/a.yaml")


def test_a_path_of_a_group_is_relative_to_the_folder_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "node.d").mkdir()
    group = "{selector: {matchLabels: {a: b}}, cni: {confDir: net.d}}"
    (tmp_path / "node.d/a.yaml").write_text(f"nodeGroups: {{a.b: {group}}}")
    found = load(tmp_path, {"a": "b"}, "kubernetes: {}\ncni: {binDir: bin}\nnodeGroups: {a.b: {cni: {program: p}}}")
    assert found.cni is not None
    assert (found.cni.conf_dir, found.cni.program) == (tmp_path / "node.d/net.d", tmp_path / "p")
    assert found.cni.bin_dir == tmp_path / "bin"


def test_without_the_kubernetes_api_a_note_says_that_none_matches(tmp_path: Path) -> None:
    (note,) = load(tmp_path, None, TEXT.replace("kubernetes: {}", "")).notes
    assert "$.nodeGroups: without effect unless" in note
