"""The journal and the lock of the run directory."""

import json
from pathlib import Path

import pytest
from secnet.agent.journal import Journal, Phase
from secnet.agent.run_dir import RunDirLock
from secnet.contract import Busy, Key
from secnet_testing.builders import record


def test_a_new_process_reads_what_was_written(tmp_path: Path) -> None:
    old = record(
        addresses=("10.0.0.2/24",), wish={"ips": ("10.0.0.2",)}, locks=("pci:1",), layer3={"default_routes": []}
    )
    Journal(tmp_path).write(old)
    again = Journal(tmp_path)
    assert again.records() == (old,)
    assert again.get(Key(container_id="c1", ifname="eth1")) == old
    assert Journal.peek(tmp_path) == (old,)


def test_a_removed_record_is_gone_and_may_be_removed_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(record())
    journal.remove(record().key)
    journal.remove(record().key)
    assert journal.records() == Journal(tmp_path).records() == ()


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


def test_a_record_of_a_newer_version_is_read_without_its_new_fields(tmp_path: Path) -> None:
    Journal(tmp_path).write(record())
    path = next(tmp_path.glob("*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"invented_later": 1}))
    assert Journal(tmp_path).records()[0].phase == Phase.ATTACHED


def test_the_holder_of_an_exclusive_resource_is_found(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(record("eth1", locks=("pci:1",)))
    other = Key(container_id="c2", ifname="eth1")
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
