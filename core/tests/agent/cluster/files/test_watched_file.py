"""The watched directory, when files are half-written, broken or unreadable: what does not count as a removal, and the report."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from secnet.agent.cluster.files import _manifest as files
from secnet.agent.cluster.files import _watched_file as watched_file

from ..helpers import pod, pool
from ..place import Place

TEXT = yaml.safe_dump_all([pod("a", "net1"), pool("p")])


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("", "empty, but held objects before"),
        (" \n", "empty, but held objects before"),
        (TEXT[:100], "in the middle of a line"),
        (TEXT.replace("networks:", "networks: ["), "not YAML"),
        (TEXT.replace("kind: Pod", "kind: Pods"), "did you mean Pod?"),
        (TEXT.replace("name: p\n", "name: P\n"), "not a valid name"),
        (TEXT + "---\n- 1\n", "expected an object"),
        ("kind: Deployment\n---\na: 1\n", "kind is missing"),
    ],
)
def test_a_broken_file_keeps_its_last_content(place: Place, broken: str, message: str) -> None:
    path = place.path / "a.yaml"
    path.write_text(TEXT)
    other = place.write("b.yaml", pod("b"))
    place.look()
    before = place.store.list("Pod"), place.store.list("IPPool")
    path.write_text(broken)
    place.look(5)
    assert (place.store.list("Pod"), place.store.list("IPPool")) == before
    (problem,) = place.directory.problems()
    assert problem.source.startswith(str(path))
    assert message in str(problem)
    assert "stays in force" in problem.hint
    assert problem.since == "2023-11-14T22:13:20Z"
    other.unlink()
    place.look()
    assert place.pods == ["a"]
    path.write_text(yaml.safe_dump(pod("a", "net2")))
    place.look()
    assert place.networks("a") == "net2"
    assert place.store.list("IPPool") == []
    assert place.messages == []


@pytest.mark.parametrize("broken", ["", TEXT[:-30] + "\n[", "kind: [\n"])
def test_a_broken_file_keeps_its_content_before_a_restart(place: Place, broken: str) -> None:
    path = place.path / "a.yaml"
    path.write_text(TEXT)
    place.look()
    before = place.uids
    path.write_text(broken)
    place.restart()
    place.look(5)
    assert place.uids == before
    assert len(place.messages) == 1
    path.write_text("# no objects\n")
    place.look()
    assert place.pods == []


@pytest.mark.parametrize("empty", ["# nothing\n", "---\n", "apiVersion: apps/v1\nkind: Deployment\n"])
def test_no_objects_may_be_meant(place: Place, empty: str) -> None:
    path = place.write("a.yaml", pod("a"))
    place.look()
    path.write_text(empty)
    place.look()
    assert place.pods == []


def test_an_empty_file_that_never_held_anything_is_no_problem(place: Place) -> None:
    (place.path / "a.yaml").write_text("")
    place.look()
    assert place.messages == []


def test_a_new_file_with_one_bad_object_does_nothing(place: Place) -> None:
    place.write("a.yaml", pod("a"), pod("B"))
    place.look()
    assert place.pods == []
    assert len(place.messages) == 1


@pytest.mark.parametrize("end", ["\n", ""])
def test_the_end_of_a_file_may_be_cut_by_an_editor(place: Place, end: str) -> None:
    path = place.path / "a.yaml"
    path.write_text(TEXT)
    place.look()
    path.write_text(TEXT.split("\n---\n")[0] + end)
    place.look()
    assert place.pods == ["a"]
    assert place.store.list("IPPool") == []
    assert place.messages == []


def test_a_missing_directory_removes_nothing(place: Place) -> None:
    place.write("a.yaml", pod("a"))
    place.look()
    place.path.rename(place.path.with_suffix(".away"))
    place.look(5)
    assert place.pods == ["a"]
    assert "make sure that it exists" in place.messages[0]
    place.restart()
    place.look(5)
    assert place.pods == ["a"]
    place.path.with_suffix(".away").rename(place.path)
    place.look()
    assert place.messages == []


def test_a_note_is_no_obstacle(place: Place) -> None:
    path = place.path / "a.yaml"
    path.write_text("apiVersion: v1\nkind: Namespace\n---\n" + yaml.safe_dump(pod("a")))
    place.look()
    assert place.pods == ["a"]
    (note,) = place.directory.problems()
    assert note.note
    assert str(note) == f"{path}:1: secnet has no use for a Namespace"


def test_a_problem_keeps_its_time_and_goes_with_its_cause(place: Place) -> None:
    path = place.path / "a.yaml"
    path.write_text("a: [\n")
    place.look()
    place.time += 60
    place.look()
    assert [problem.since for problem in place.directory.problems()] == ["2023-11-14T22:13:20Z"]
    path.write_text("b: [\nc: [\n")
    place.look()
    assert [problem.since for problem in place.directory.problems()] == ["2023-11-14T22:14:20Z"]
    path.unlink()
    place.look()
    assert place.messages == []


def test_a_store_that_refuses_is_reported_and_tried_again(place: Place) -> None:
    place.write("a.yaml", pod("a", "net1"), pod("b"))
    place.look()
    (damaged,) = place.store.directory.glob("objects/Pod/default/a.json")
    damaged.write_bytes(b"{")
    place.write("a.yaml", pod("a", "net2"), pod("b", "net2"))
    place.look()
    assert place.networks("b") == "net2"
    assert "damaged" in place.messages[0]
    damaged.unlink()
    place.look(1)
    assert place.networks("a") == "net2"
    assert place.messages == []


def test_a_file_that_cannot_be_read_for_a_moment_is_read_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mock, because the table of open files cannot be filled for one call only."""
    path = place.write("a.yaml", pod("a", "net1"))
    place.look()
    place.write("a.yaml", pod("a", "net2"))
    real = os.open

    def refuse(name: Any, *rest: Any, **more: Any) -> int:
        if name == path:
            raise OSError(24, "Too many open files", str(name))
        return real(name, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "open", refuse)
        place.look(3)
        assert place.networks("a") == "net1"
        assert "limit of open files" in place.messages[0]
    place.look(1)
    assert place.networks("a") == "net2"
    assert place.messages == []


def test_a_file_that_changes_while_it_is_read_is_read_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mock, because no other way hits the moment between opening and reading."""
    path = place.write("a.yaml", pod("a", "net1"))
    real = files.read_text

    def torn(name: Path) -> str:
        text = real(name)
        place.write("a.yaml", pod("a", "net2"))
        return text

    with monkeypatch.context() as patch:
        patch.setattr(watched_file, "read_text", torn)
        place.look()
    assert place.pods == []
    place.look()
    assert place.networks("a") == "net2"
    assert path.exists()


def _cuts(text: str) -> Iterable[int]:
    """Every place where a truncation does not happen to end a line or a document."""
    return (cut for cut in range(len(text)) if cut == 0 or (text[cut - 1] != "\n" and text[cut] != "\n"))


def test_no_truncation_in_the_middle_of_a_line_changes_anything(place: Place) -> None:
    path = place.path / "a.yaml"
    path.write_text(TEXT)
    place.look()
    before = place.store.list("Pod"), place.store.list("IPPool")
    for cut in _cuts(TEXT):
        os.truncate(path, cut)
        place.look()
        assert (place.store.list("Pod"), place.store.list("IPPool")) == before, f"cut at {cut}"
        assert len(place.messages) == 1, f"cut at {cut}"
        path.write_text(TEXT)
        place.look()
    assert place.messages == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: {a: b}\n", "the kind {'a': 'b'} is unknown"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x, annotations: {a: 0x" + "f" * 5000 + "}}\n",
            "a number has more",
        ),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {a: 0xfffffffffffffffffffff}\n", "more than 64 bits"),
        ("- a\n" * 2_500_000, "more than 200000 values"),
    ],
    ids=["a kind that is a mapping", "a huge integer", "a large integer", "ten megabytes"],
)
def test_a_hostile_file_keeps_no_other_from_being_read(place: Place, text: str, message: str) -> None:
    (place.path / "a.yaml").write_text(text)
    place.write("b.yaml", pod("b"))
    place.look()
    assert place.pods == ["b"]
    assert [each for each in place.messages if "a.yaml" in each and message in each]


def test_a_fault_of_our_own_is_the_problem_of_the_file_that_meets_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, read = files.normalized, []

    def faulty(document: Any, kinds: Any) -> Any:
        if document["metadata"]["name"] == "odd":
            read.append(document)
            raise KeyError("surprise")
        return real(document, kinds)

    monkeypatch.setattr(files, "normalized", faulty)  # a fault that is not known yet cannot be met by an input
    place.write("a.yaml", pod("odd"))
    place.write("b.yaml", pod("b"))
    place.look(4)
    assert place.pods == ["b"]
    assert [each for each in place.messages if "a.yaml:1: Pod odd: KeyError: 'surprise'" in each]
    assert len(read) == 1, "it would fail in the same way"


def test_a_fault_of_our_own_in_one_object_keeps_no_other_waiting(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = place.store.apply

    def faulty(obj: Any, source: str = "") -> Any:
        if obj["metadata"]["name"] == "odd":
            raise KeyError("surprise")
        return real(obj, source)

    monkeypatch.setattr(place.store, "apply", faulty)  # as above
    place.write("a.yaml", pod("odd"), pod("a"))
    place.look()
    assert place.pods == ["a"]
    assert [each for each in place.messages if "Pod default/odd: KeyError: 'surprise'" in each]
