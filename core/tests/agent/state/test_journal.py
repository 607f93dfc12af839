"""The journal and the lock of the run directory."""

import dataclasses
import json
import os
import shutil
import stat
from pathlib import Path

import pytest
from secnet.agent.model.record import Origin, Phase, Record
from secnet.agent.state.journal import Journal
from secnet.agent.state.run_dir import RunDirLock
from secnet.contract import AttachmentId, Busy, PodRef, Unavailable
from secnet_testing.contract_objects import record
from secnet_testing.full_disk import fill, small_disk


def test_a_new_process_reads_what_was_written(tmp_path: Path) -> None:
    old = record(
        addresses=("10.0.0.2/24",),
        attachment_options={"ips": ("10.0.0.2",)},
        locks=("pci:1",),
        layer3={"default_routes": []},
    )
    Journal(tmp_path).write(old)
    again = Journal(tmp_path)
    assert again.records() == (old,)
    assert again.get(AttachmentId(container_id="c1", ifname="eth1")) == old
    assert Journal.peek(tmp_path) == (old,)


def test_a_removed_record_is_gone_and_may_be_removed_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(record())
    journal.remove(record().key)
    journal.remove(record().key)
    assert journal.records() == Journal(tmp_path).records() == ()


def test_a_removal_is_notified_once_the_record_is_gone(tmp_path: Path) -> None:
    journal, seen = Journal(tmp_path), []
    journal.write(record())
    journal.notify_removed(lambda removed: seen.append((removed.key, journal.records())))
    journal.remove(record().key)
    journal.remove(record().key)
    assert seen == [(record().key, ())]


def test_a_leftover_of_an_interrupted_write_is_ignored(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(record())
    (tmp_path / "half.tmp").write_text('{"phase": "Atta')
    assert len(Journal(tmp_path).records()) == 1
    assert not list(tmp_path.glob("*.tmp"))


def test_an_unreadable_record_is_reported_and_kept(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"phase": "Attached"}')
    journal = Journal(tmp_path)
    assert journal.records() == ()
    assert [problem.reason for problem in journal.problems()] == ["UnreadableRecord"]
    assert (tmp_path / "bad.json").exists()


def test_names_that_are_odd_in_a_path_are_kept_apart(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for ifname in ("a%2Fb", "a.b", "a b"):
        journal.write(record(ifname))
    assert len(Journal(tmp_path).records()) == 3


def test_container_ids_and_interfaces_with_dots_are_kept_apart(tmp_path: Path) -> None:
    one, other = record("c", container="a.b"), record("b.c", container="a")
    journal = Journal(tmp_path)
    journal.write(one)
    journal.write(other)
    assert Journal(tmp_path).records() == (other, one)
    journal.remove(one.key)
    assert Journal(tmp_path).records() == (other,)


def test_a_container_id_longer_than_a_file_name_has_a_record(tmp_path: Path) -> None:
    long = record(container="x" * 300)
    journal = Journal(tmp_path)
    journal.write(long)
    assert Journal(tmp_path).records() == (long,)
    journal.remove(long.key)
    assert not list(tmp_path.iterdir())


def test_a_record_under_the_name_of_an_earlier_version_is_read_and_renamed(tmp_path: Path) -> None:
    old = record("c", container="a.b")
    Journal(tmp_path).write(old)
    (path,) = tmp_path.glob("*.json")
    path.rename(tmp_path / "a.b.c.json")
    journal = Journal(tmp_path)
    assert journal.records() == (old,)
    journal.remove(old.key)
    assert Journal(tmp_path).records() == (), "no second file brings it back"


@pytest.mark.parametrize("newer", ["earlier version", "this version"])
def test_of_two_files_of_one_record_the_last_one_counts(tmp_path: Path, newer: str) -> None:
    """As an agent of the earlier version leaves them that ran once more in between."""
    key = record("c", container="a.b")
    states = {"earlier version": key.replace(phase=Phase.DETACHING), "this version": key}
    Journal(tmp_path).write(states["earlier version"])
    (path,) = tmp_path.glob("*.json")
    path.rename(tmp_path / "a.b.c.json")
    other = tmp_path / "elsewhere"
    Journal(other).write(states["this version"])
    (written,) = other.glob("*.json")
    written.rename(tmp_path / written.name)
    os.utime(tmp_path / "a.b.c.json", (2, 2) if newer == "earlier version" else (1, 1))
    os.utime(tmp_path / written.name, (1, 1) if newer == "earlier version" else (2, 2))
    assert Journal(tmp_path).records() == (states[newer],)
    assert [found.name for found in tmp_path.glob("*.json")] == [written.name]
    assert Journal(tmp_path).records() == (states[newer],)


def test_a_record_is_no_replacement_for_one_that_cannot_be_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(record("c", container="a.b"))
    (path,) = tmp_path.glob("*.json")
    path.rename(tmp_path / "a.b.c.json")
    path.write_text("{")
    again = Journal(tmp_path)
    assert len(again.records()) == len(again.problems()) == 1
    assert path.read_text() == "{"


@pytest.mark.parametrize("text", ["[]", "null", '"x"', "[" * 100_000, "\x00", '{"attachment": 5}', '{"phase": {}}'])
def test_whatever_lies_there_is_a_problem_and_no_end(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    assert [problem.reason for problem in Journal(tmp_path).problems()] == ["UnreadableRecord"]


def test_the_records_are_roots_alone(tmp_path: Path) -> None:
    Journal(tmp_path / "journal").write(record())
    assert stat.S_IMODE(os.stat(tmp_path / "journal").st_mode) == 0o700


@pytest.mark.kernel
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with small_disk(tmp_path / "run") as disk:
        journal = Journal(disk / "journal")
        ballast = fill(disk)
        with pytest.raises(Unavailable, match="No space left") as caught:
            journal.write(record())
        assert "free some space" in caught.value.hint
        assert journal.records() == ()
        ballast.unlink()
        journal.write(record())
        assert Journal(disk / "journal").records() == (record(),)


def test_a_record_of_a_newer_version_is_read_without_its_new_fields(tmp_path: Path) -> None:
    Journal(tmp_path).write(record())
    path = next(tmp_path.glob("*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"invented_later": 1}))
    assert Journal(tmp_path).records()[0].phase == Phase.ATTACHED


def test_the_holder_of_an_exclusive_resource_is_found(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(record("eth1", locks=("pci:1",)))
    other = AttachmentId(container_id="c2", ifname="eth1")
    assert journal.holder(("pci:1", "pci:2"), besides=other) == record("eth1", locks=("pci:1",))
    assert journal.holder(("pci:2",), besides=other) is None
    assert journal.holder(("pci:1",), besides=record().key) is None


def test_one_reconciler_per_run_directory(tmp_path: Path) -> None:
    first, second = RunDirLock(tmp_path), RunDirLock(tmp_path)
    first.acquire("secnet agent")
    with pytest.raises(Busy, match="secnet agent \\(pid "):
        second.acquire("secnet apply")
    first.release()
    second.acquire("secnet apply")
    second.release()
    second.release()


def test_a_record_of_another_boot_is_not_adopted(tmp_path: Path) -> None:
    ours, theirs = record("eth1"), record("eth2").replace(boot_id="other")
    journal = Journal(tmp_path)
    journal.write(ours)
    journal.write(theirs)
    journal.disown(ours.boot_id)
    assert Journal(tmp_path).records() == (ours, theirs.replace(phase=Phase.DETACHING))


def test_records_are_put_back_after_the_directory_was_removed(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "journal"
    journal = Journal(folder)
    journal.write(record("eth1"))
    journal.write(record("eth2"))
    shutil.rmtree(tmp_path / "run")
    journal.restore()
    assert Journal(folder).records() == journal.records() == (record("eth1"), record("eth2"))


def test_a_write_into_a_removed_directory_brings_all_records_back(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "journal"
    journal = Journal(folder)
    journal.write(record("eth1"))
    shutil.rmtree(tmp_path / "run")
    journal.write(record("eth2"))
    assert Journal(folder).records() == (record("eth1"), record("eth2"))


def test_restoring_changes_no_record_that_is_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(record())
    (path,) = tmp_path.glob("*.json")
    path.write_text("{}")
    journal.restore()
    assert path.read_text() == "{}"


def test_the_interface_that_has_an_address_is_found(tmp_path: Path) -> None:
    pooled = with_pool(record("eth1", addresses=("10.0.0.2/24",)), "blue")
    journal = Journal(tmp_path)
    journal.write(pooled)
    journal.write(record("eth2", addresses=("10.0.0.3/24",)))
    other = AttachmentId(container_id="c2", ifname="eth1")
    assert journal.holder_of_address("10.0.0.2/24", "blue", besides=other) == pooled
    assert journal.holder_of_address("10.0.0.2/24", "blue", besides=pooled.key) is None
    assert journal.holder_of_address("10.0.0.2/24", "red", besides=other) is None, "pools may overlap"
    assert journal.holder_of_address("10.0.0.3/24", None, besides=other) is None, "static addresses are the author's"
    journal.write(pooled.replace(phase=Phase.DETACHING))
    assert journal.holder_of_address("10.0.0.2/24", "blue", besides=other) is None, "on its way out"


def with_pool(made: Record, pool: str) -> Record:
    lease = made.attachment.lease
    assert lease is not None
    addresses = tuple(dataclasses.replace(item, pool=pool) for item in lease.addresses)
    return made.replace(attachment=made.attachment.bind(dataclasses.replace(lease, addresses=addresses), None))


def test_records_are_found_by_who_asked_and_for_which_pod(tmp_path: Path) -> None:
    journal, other = Journal(tmp_path), PodRef(namespace="default", name="other", uid="u2")
    first, second = record("eth1"), record("eth2")
    called, elsewhere = record("eth3", origin=Origin.CNI), record("eth1", container="c2", pod=other)
    for item in (second, elsewhere, called, first):
        journal.write(item)
        journal.records()
    assert journal.records() == (first, second, called, elsewhere)
    assert journal.of_pod("default", "web") == (first, second)
    assert journal.of_cni() == (called,)
    assert dict(journal.of_pods()) == {("default", "web"): (first, second), ("default", "other"): (elsewhere,)}
    changed = first.replace(phase=Phase.DETACHING)
    journal.write(changed)
    assert journal.of_pod("default", "web") == (changed, second)
    journal.remove(elsewhere.key)
    assert journal.of_pod("default", "other") == ()
