"""Loading manifests from files and directories, with errors that name file, line and remedy."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from secnet.agent.cluster.files._manifest import is_manifest, load_manifests
from secnet.contract import InvalidConfig, Unavailable

from ..helpers import nad, pod, pool


def test_a_directory_is_read_in_name_order_and_not_below(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text(yaml.safe_dump_all([pod("one"), pod("two")]))
    (tmp_path / "a.json").write_text(json.dumps(pool("p")))
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"kind": "List", "items": [nad("n")]}))
    (tmp_path / "README.md").write_text("kind: [")
    (tmp_path / ".d.yaml").write_text("kind: [")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "e.yaml").write_text("kind: [")
    manifests = load_manifests(tmp_path)
    assert [str(manifest.key) for manifest in manifests] == [
        "IPPool p",
        "Pod default/one",
        "Pod default/two",
        "NetworkAttachmentDefinition default/n",
    ]
    assert manifests[0].source == str(tmp_path / "a.json")
    assert manifests[2].place == f"{tmp_path / 'b.yml'}:12"


def test_a_file_by_any_name(tmp_path: Path) -> None:
    (tmp_path / "pods.txt").write_text(yaml.safe_dump(pod("a")))
    (manifest,) = load_manifests(tmp_path / "pods.txt")
    assert manifest.object["metadata"]["name"] == "a"


def test_the_source_is_absolute_and_keeps_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.yaml").write_text(yaml.safe_dump(pod("a")))
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    (manifest,) = load_manifests(Path("link"))
    assert manifest.source == str(tmp_path / "link" / "a.yaml")


def test_the_namespace_is_default(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n")
    assert load_manifests(tmp_path)[0].object["metadata"]["namespace"] == "default"


def test_kinds_of_others_are_left_out_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\n---\n" + yaml.safe_dump(pod("a")))
    notes = []
    (manifest,) = load_manifests(tmp_path, on_note=lambda *note: notes.append(note))
    assert manifest.object["kind"] == "Pod"
    assert notes == [(f"{tmp_path / 'a.yaml'}:1", "secnet has no use for a Deployment")]


@pytest.mark.parametrize(
    ("text", "line", "path", "message", "hint"),
    [
        ("kind: [Pod\nx: y\n", 2, "", "not YAML", "correct"),
        ("a\n", 1, "$", "expected an object, found a string", "kind"),
        ("- a\n", 1, "$", "expected an object, found a list", "kind"),
        ("a: 1\n", 1, "$.kind", "kind is missing", "Pod"),
        ("kind: Pods\n", 1, "$.kind", "'Pods' is unknown", "did you mean Pod?"),
        ("kind: ippool\n", 1, "$.kind", "'ippool' is unknown", "did you mean IPPool?"),
        ("kind: Widget\n", 1, "$.kind", "'Widget' is unknown", "use one of Pod"),
        ("kind: [Pod]\n", 1, "$.kind", "is unknown", "did you mean Pod?"),
        ("kind: Pod\n", 1, "$.apiVersion", "None is not that of a Pod", "apiVersion: v1"),
        ("kind: IPPool\napiVersion: crd.antrea.io/v1alpha2\n", 1, "$.apiVersion", "v1alpha2", "v1beta1"),
        ("kind: Pod\napiVersion: v1\n", 1, "$.metadata", "missing", "add it"),
        ("kind: Pod\napiVersion: v1\nmetadata: a\n", 1, "$.metadata", "found a string", "key: value"),
        ("kind: Pod\napiVersion: v1\nmetadata: {}\n", 1, "$.metadata.name", "missing", "generateName"),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: 1}\n", 1, "$.metadata.name", "found a number", "quotes"),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: A_b}\n", 1, "$.metadata.name", "not a valid name", "lower-case"),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: ../x}\n", 1, "$.metadata.name", "not a valid name", "253"),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: 'a\n\n  '}\n", 1, "$.metadata.name", "not a valid", "253"),
        (f"kind: Pod\napiVersion: v1\nmetadata: {{name: {'a' * 254}}}\n", 1, "$.metadata.name", "not a valid", "253"),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: a, namespace: b.c}\n", 1, "$.metadata.namespace", "'b.c'", "63"),
        (
            'kind: Pod\napiVersion: v1\nmetadata: {name: a, namespace: "b\\n"}\n',
            1,
            "$.metadata.namespace",
            "not a valid name",
            "63",
        ),
        (
            "kind: IPPool\napiVersion: crd.antrea.io/v1beta1\nmetadata: {name: a, namespace: b}\n",
            1,
            "$.metadata.namespace",
            "kind IPPool have no namespace",
            "take it away",
        ),
        (
            "kind: Pod\napiVersion: v1\nmetadata:\n  name: a\n  annotations: {x: 1}\n",
            1,
            "$.metadata.annotations['x']",
            "found a number",
            "quotes",
        ),
        (
            "kind: Pod\napiVersion: v1\nmetadata: {name: a, labels: []}\n",
            1,
            "$.metadata.labels",
            "a list",
            "key: value",
        ),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: a}\nspec: [x]\n", 1, "$.spec", "found a list", "key: value"),
    ],
)
def test_errors_name_file_line_path_and_remedy(
    tmp_path: Path, text: str, line: int, path: str, message: str, hint: str
) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(f"# a comment\n---\n{text}")
    with pytest.raises(InvalidConfig) as caught:
        load_manifests(tmp_path)
    error = caught.value
    assert error.subject.startswith(f"{file}:{line + 2}")
    assert error.path == path
    assert message in error.message
    assert hint in error.hint


def test_the_name_of_the_object_is_given_where_it_has_one(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("kind: Pod\nmetadata: {name: web}\n")
    with pytest.raises(InvalidConfig) as caught:
        load_manifests(tmp_path)
    assert caught.value.subject == f"{tmp_path / 'x.yaml'}:1: Pod web"


def test_broken_json_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"kind": "Pod",\n}')
    with pytest.raises(InvalidConfig) as caught:
        load_manifests(tmp_path)
    # Python 3.13 points at the comma, 3.11 at what follows it.
    assert caught.value.subject in {f"{tmp_path / 'x.json'}:{line}" for line in (1, 2)}


def test_one_object_in_two_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(pod("a")))
    (tmp_path / "b.yaml").write_text(yaml.safe_dump_all([pool("p"), pod("a")]))
    with pytest.raises(InvalidConfig, match=rf"stands in {tmp_path / 'a.yaml'}:1 already") as caught:
        load_manifests(tmp_path)
    assert caught.value.subject.endswith("Pod default/a")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="make sure that it exists"):
        load_manifests(tmp_path / "nothing")
    with pytest.raises(InvalidConfig, match="no manifest in this directory"):
        load_manifests(tmp_path)
    (tmp_path / "a.yaml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(InvalidConfig, match="not UTF-8") as caught:
        load_manifests(tmp_path)
    assert caught.value.subject == f"{tmp_path / 'a.yaml'}:2"


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(InvalidConfig, match="not a regular file"):
        load_manifests(tmp_path)


def test_a_directory_with_the_name_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    with pytest.raises(InvalidConfig, match="not a regular file") as caught:
        load_manifests(tmp_path)
    assert caught.value.subject == str(tmp_path / "a.yaml")


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "a.yaml", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InvalidConfig, match="larger than 16 MiB"):
        load_manifests(tmp_path)


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(pod("a")).encode())
    assert len(load_manifests(tmp_path)) == 1


def test_which_names_are_read() -> None:
    assert [
        name for name in ("a.yaml", "a.yml", "a.json", ".a.yaml", "a.yaml~", "a.yaml.swp") if is_manifest(name)
    ] == [
        "a.yaml",
        "a.yml",
        "a.json",
    ]
