"""The watched directory: when a change counts, and whose an object is."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import yaml
from secnet.agent.cluster.files._directory import ManifestDirectory
from secnet.agent.cluster.files.store import FileStore

from ..helpers import NETWORKS, STATUS, nad, pod, pool
from ..place import Place


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


def test_what_was_removed_while_no_one_looked_goes_at_the_next_start(place: Place) -> None:
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


def test_a_started_directory_is_closed_without_a_trace(place: Place) -> None:
    before = set(threading.enumerate())
    place.write("a.yaml", pod("a"))
    place.directory.start()
    assert place.pods == ["a"]
    place.directory.close()
    place.directory.close()
    assert set(threading.enumerate()) <= before
    assert place.pods == ["a"]
