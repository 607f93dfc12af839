"""The watched directory: what counts as a change, and above all what does not count as a removal.

`look` is called by hand, so that a test decides what two looks in a row find.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from secnet.agent.cluster import files, watched_file
from secnet.agent.cluster.directory import ManifestDirectory
from secnet.agent.cluster.store import FileStore

from .helpers import NETWORKS, STATUS, nad, pod, pool


class Place:
    """A directory of manifests, its store, and who looks at it."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "manifests"
        self.path.mkdir()
        self.store = FileStore(tmp_path / "state")
        self.time = 1_700_000_000.0
        self.restart()

    def restart(self) -> None:
        """A new process looks at the same directory with the same store."""
        self.directory = ManifestDirectory(self.path, self.store, clock=lambda: self.time)

    def write(self, name: str, *objects: dict[str, Any]) -> Path:
        """A file replaced by rename, as a careful writer does."""
        path = self.path / name
        path.with_suffix(".tmp").write_text(yaml.safe_dump_all(objects))
        path.with_suffix(".tmp").rename(path)
        return path

    def look(self, times: int = 2) -> None:
        for _ in range(times):
            self.directory.look()

    @property
    def pods(self) -> list[str]:
        return [obj["metadata"]["name"] for obj in self.store.list("Pod")]

    def networks(self, name: str) -> str:
        return str(self.store.get("Pod", name)["metadata"]["annotations"][NETWORKS])

    @property
    def uids(self) -> dict[str, str]:
        return {obj["metadata"]["name"]: obj["metadata"]["uid"] for obj in self.store.list("Pod")}

    @property
    def messages(self) -> list[str]:
        return [str(problem) for problem in self.directory.problems()]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def _touch(path: Path) -> None:
    """Another version of the same content."""
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))


def test_a_version_counts_at_its_second_look(place: Place) -> None:
    path = place.write("a.yaml", pod("a", "net1"))
    place.look(1)
    assert place.pods == []
    place.look(1)
    assert place.networks("a") == "net1"
    place.write("a.yaml", pod("a", "net2"))
    place.look(1)
    assert place.networks("a") == "net1"
    _touch(path)
    place.look(1)
    assert place.networks("a") == "net1"
    place.look(1)
    assert place.networks("a") == "net2"
    assert place.messages == []


def test_an_object_goes_with_its_document_or_its_file(place: Place) -> None:
    place.write("a.yaml", pod("a"), pod("b"))
    path = place.write("c.yaml", pod("c"))
    place.look()
    assert place.pods == ["a", "b", "c"]
    place.write("a.yaml", pod("a"))
    place.look(1)
    assert place.pods == ["a", "b", "c"]
    place.look(1)
    assert place.pods == ["a", "c"]
    path.unlink()
    place.look(1)
    assert place.pods == ["a", "c"]
    place.look(1)
    assert place.pods == ["a"]


def test_a_file_that_is_gone_for_one_look_only(place: Place) -> None:
    path = place.write("a.yaml", pod("a"))
    place.look()
    uids = place.uids
    path.rename(place.path / "away")
    place.look(1)
    (place.path / "away").rename(path)
    place.look()
    assert place.uids == uids


def test_a_file_that_is_gone_at_the_first_look_of_a_process_only(place: Place) -> None:
    path = place.write("a.yaml", pod("a"))
    place.look()
    uids = place.uids
    path.rename(place.path / "away")
    place.restart()
    place.look(1)
    (place.path / "away").rename(path)
    place.look()
    assert place.uids == uids


def test_status_and_version_survive_a_look_at_the_same(place: Place) -> None:
    path = place.write("a.yaml", pod("a", "net1"))
    place.look()
    live = place.store.patch_annotations("Pod", "a", "", {STATUS: "[]"})
    _touch(path)
    place.look()
    place.restart()
    place.look()
    assert place.store.get("Pod", "a") == live


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
def test_a_broken_file_keeps_what_it_last_said(place: Place, broken: str, message: str) -> None:
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
def test_a_broken_file_keeps_what_it_said_before_a_restart(place: Place, broken: str) -> None:
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


def test_links_of_a_mounted_config_map_are_followed(place: Place) -> None:
    """The layout of a ConfigMap volume: files are links through `..data`, which is swapped by rename."""
    for version, networks in (("v1", "net1"), ("v2", "net2")):
        (place.path / f"..{version}").mkdir()
        (place.path / f"..{version}" / "a.yaml").write_text(yaml.safe_dump(pod("a", networks)))
    (place.path / "..data").symlink_to("..v1")
    (place.path / "a.yaml").symlink_to("..data/a.yaml")
    place.look()
    assert place.networks("a") == "net1"
    uids = place.uids
    (place.path / "..new").symlink_to("..v2")
    (place.path / "..new").rename(place.path / "..data")
    place.look()
    assert place.networks("a") == "net2"
    (place.path / "..data").unlink()
    place.look(3)
    assert place.uids == uids
    assert "a.yaml" in place.messages[0]
    (place.path / "..data").symlink_to("..v1")
    place.look()
    assert place.networks("a") == "net1"
    assert place.messages == []


def test_the_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "a.yaml").write_text(yaml.safe_dump(pod("a", version)))
    (tmp_path / "current").symlink_to("v1")
    store = FileStore(tmp_path / "state")
    directory = ManifestDirectory(tmp_path / "current", store)
    directory.look()
    directory.look()
    first = store.get("Pod", "a")["metadata"]
    (tmp_path / "new").symlink_to("v2")
    (tmp_path / "new").rename(tmp_path / "current")
    directory.look()
    directory.look()
    second = store.get("Pod", "a")["metadata"]
    assert (first["annotations"][NETWORKS], second["annotations"][NETWORKS]) == ("v1", "v2")
    assert first["uid"] == second["uid"]


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


def test_an_object_that_moves_to_another_file_lives_on(place: Place) -> None:
    place.write("a.yaml", pod("a"), pod("b"))
    place.look()
    uids = place.uids
    place.write("a.yaml", pod("a"))
    place.write("z.yaml", pod("b"))
    place.look()
    assert place.uids == uids
    place.write("z.yaml", pod("b"), pod("a"))
    place.look()
    (place.path / "a.yaml").unlink()
    place.look()
    assert place.uids == uids
    assert place.messages == []


def test_nothing_goes_while_another_file_still_changes(place: Place) -> None:
    place.write("a.yaml", pod("a"), pod("b"))
    place.look()
    uids = place.uids
    place.write("a.yaml", pod("a"))
    place.look(1)
    place.write("z.yaml", pod("c"))
    place.look(1)
    place.write("z.yaml", pod("b"))
    place.look()
    assert place.uids == uids


def test_an_object_in_two_files_belongs_to_the_first_that_had_it(place: Place) -> None:
    path = place.write("b.yaml", pod("a", "first"))
    place.look()
    place.write("a.yaml", pod("a", "second"), pod("c"))
    place.look()
    assert place.networks("a") == "first"
    assert place.pods == ["a", "c"]
    (problem,) = place.directory.problems()
    assert problem.source == f"{place.path}/a.yaml:1: Pod default/a"
    assert f"stands in {place.path}/b.yaml:1 already" in problem.message
    place.restart()
    place.look()
    assert place.networks("a") == "first"
    path.write_text("kind: [")
    place.restart()
    place.look()
    assert place.networks("a") == "first"
    assert any(f"stands in {place.path}/b.yaml already" in message for message in place.messages)
    path.unlink()
    uids = place.uids
    place.look()
    assert place.networks("a") == "second"
    assert place.uids == uids
    assert place.messages == []


def test_what_was_removed_while_nobody_looked_goes_at_the_next_start(place: Place) -> None:
    place.write("a.yaml", pod("a"), pod("b"))
    gone = place.write("c.yaml", pod("c"))
    place.look()
    place.write("a.yaml", pod("a"))
    gone.unlink()
    place.restart()
    place.look(1)
    assert place.pods == ["a", "b", "c"]
    place.look(1)
    assert place.pods == ["a"]


def test_what_others_handed_over_is_left_alone(place: Place, tmp_path: Path) -> None:
    place.store.apply(pod("theirs"), str(tmp_path / "elsewhere" / "a.yaml"))
    place.store.apply(pod("nobodys"))
    place.store.apply(pod("odd"), str(place.path / "notes.txt"))
    place.write("a.yaml", pod("a"))
    place.look()
    assert place.pods == ["a", "nobodys", "odd", "theirs"]
    place.store.apply(pod("a"), str(tmp_path / "elsewhere" / "a.yaml"))
    (place.path / "a.yaml").unlink()
    place.look()
    assert "a" in place.pods


def test_a_pool_in_use_waits_for_its_last_release_and_can_come_back(place: Place) -> None:
    path = place.write("a.yaml", pool("p"))
    place.look()
    live = place.store.get("IPPool", "p")
    live["status"] = {"ipAddresses": [{"ipAddress": "10.10.0.2"}]}
    place.store.update_status(live)
    path.unlink()
    place.look()
    assert "deletionTimestamp" in place.store.get("IPPool", "p")["metadata"]
    place.write("a.yaml", pool("p"))
    place.look()
    again = place.store.get("IPPool", "p")
    assert "deletionTimestamp" not in again["metadata"]
    assert again["metadata"]["uid"] == live["metadata"]["uid"]


def test_pods_come_last_and_go_first(place: Place) -> None:
    order: list[tuple[str, str]] = []
    store = place.store

    class Witness(FileStore):
        """Notes the order of writes, which nothing else shows."""

        def apply(self, obj: Any, source: str = "") -> Any:
            order.append(("apply", obj["kind"]))
            return super().apply(obj, source)

        def delete(self, kind: str, name: str, namespace: str = "", *, source: str | None = None) -> Any:
            order.append(("delete", kind))
            return super().delete(kind, name, namespace, source=source)

    place.store = Witness(store.directory)
    place.restart()
    path = place.write("a.yaml", pod("a"), nad("n"), pool("p"))
    place.look()
    path.unlink()
    place.look()
    kinds = ["NetworkAttachmentDefinition", "IPPool", "Pod"]
    assert order[:3] == [("apply", kind) for kind in kinds]
    assert order[3] == ("delete", "Pod")
    assert len(order) == 6


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


def test_close_withdraws_the_problems_and_may_be_called_twice(place: Place) -> None:
    (place.path / "a.yaml").write_text("a: [\n")
    place.directory.start()
    assert place.store.problems() == place.directory.problems() != ()
    place.directory.close()
    place.directory.close()
    assert place.store.problems() == ()


def test_problems_of_another_version_are_not_fatal(place: Place) -> None:
    (place.store.directory / "problems").mkdir(parents=True)
    (place.store.directory / "problems" / "x.json").write_text('[{"unknown": 1}]')
    (place.store.directory / "problems" / "y.json").write_text("{")
    assert place.store.problems() == ()
