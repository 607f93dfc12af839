"""The ledgers of several agents in one state directory: real files."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from secnet.agent.state.agent_ledgers import AgentLedgers, LedgerEntry, read_ledgers
from secnet.contract import NetnsRef, Unavailable


def entry(container: str, boot: str = "boot") -> LedgerEntry:
    netns = NetnsRef(path="/run/netns/a\nb", device=4, inode=7, cookie=9)
    return LedgerEntry(container_id=container, boot_id=boot, netns=netns)


def path_of(folder: Path, node: str) -> Path:
    return folder / "ledgers" / node / "secnet"


def test_what_an_agent_wrote_is_known_to_the_next_one_and_to_others(tmp_path: Path) -> None:
    one, two = AgentLedgers(tmp_path, "node-1", "secnet"), AgentLedgers(tmp_path, "node-2", "secnet")
    one.add(entry("c1"))
    assert two.other("c1") is None, "not read yet"
    two.refresh()
    found = two.other("c1")
    assert found is not None
    assert (found.node, found.owner_tag, found.entries) == ("node-1", "secnet", (entry("c1"),))
    assert AgentLedgers(tmp_path, "node-1", "secnet").own("c1") == entry("c1")
    assert (two.own("c1"), one.other("c1")) == (None, None)


def test_an_agent_is_alone_until_there_is_another_one_of_a_node_or_of_an_owner_tag(tmp_path: Path) -> None:
    one = AgentLedgers(tmp_path, "node-1", "secnet")
    assert one.alone
    AgentLedgers(tmp_path, "node-1", "other/tag")
    one.refresh()
    assert not one.alone
    assert {(each.node, each.owner_tag) for each in read_ledgers(tmp_path)} == {
        ("node-1", "secnet"),
        ("node-1", "other/tag"),
    }


def test_only_what_something_names_is_kept(tmp_path: Path) -> None:
    one, two = AgentLedgers(tmp_path, "node-1", "secnet"), AgentLedgers(tmp_path, "node-2", "secnet")
    for container in ("c1", "c2"):
        one.add(entry(container))
    two.refresh()
    one.keep_only(lambda: {"c2", "elsewhere"})
    two.refresh()
    assert (one.own("c1"), one.own("c2"), one.own("elsewhere")) == (None, entry("c2"), None)
    assert two.other("c1") is None
    assert two.other("c2") is not None


def test_the_same_sandbox_after_a_reboot_is_of_the_later_boot(tmp_path: Path) -> None:
    one = AgentLedgers(tmp_path, "node-1", "secnet")
    one.add(entry("c1"))
    one.add(entry("c1", "later"))
    assert AgentLedgers(tmp_path, "node-1", "secnet").own("c1") == entry("c1", "later")


def test_a_line_that_a_killed_process_did_not_finish_costs_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    AgentLedgers(tmp_path, "node-1", "secnet").add(entry("c1"))
    with path_of(tmp_path, "node-1").open("a") as file:
        file.write('{"container_id":"c2","bo')
    again = AgentLedgers(tmp_path, "node-1", "secnet")
    assert "line 2 is damaged" in caplog.text
    again.add(entry("c3"))
    assert {each.container_id for each in read_ledgers(tmp_path)[0].entries} == {"c1", "c3"}


def test_a_ledger_that_was_removed_under_its_agent_is_written_again(tmp_path: Path) -> None:
    one, two = AgentLedgers(tmp_path, "node-1", "secnet"), AgentLedgers(tmp_path, "node-2", "secnet")
    one.add(entry("c1"))
    for revive in (one.refresh, lambda: one.add(entry("c2"))):
        path_of(tmp_path, "node-1").unlink()
        two.refresh()
        assert two.other("c1") is None
        revive()
        two.refresh()
        assert two.other("c1") is not None


def test_the_time_of_the_file_says_when_its_agent_was_there(tmp_path: Path) -> None:
    one = AgentLedgers(tmp_path, "node-1", "secnet")
    os.utime(path_of(tmp_path, "node-1"), (5.0, 5.0))
    assert read_ledgers(tmp_path)[0].seen == 5.0
    one.refresh()
    assert read_ledgers(tmp_path)[0].seen > 5.0


def test_others_may_not_read_it(tmp_path: Path) -> None:
    AgentLedgers(tmp_path, "node-1", "secnet")
    path = path_of(tmp_path, "node-1")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_without_the_line_there_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patched: a disk that is full takes no whole line, and a real one cannot be made here for one file."""
    one = AgentLedgers(tmp_path, "node-1", "secnet")
    one.add(entry("c1"))
    before = path_of(tmp_path, "node-1").read_bytes()
    real = os.write

    def full(fd: int, data: bytes) -> int:
        real(fd, data[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Unavailable, match="No space left"):
        one.add(entry("c2"))
    monkeypatch.undo()
    assert path_of(tmp_path, "node-1").read_bytes() == before
    assert one.own("c2") is None


def test_a_directory_that_cannot_be_used_is_no_end_of_the_agent_but_gives_no_address(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "ledgers").write_text("")
    one = AgentLedgers(tmp_path, "node-1", "secnet")
    assert "cannot be read or written" in caplog.text
    assert not one.alone
    with pytest.raises(Unavailable):
        one.add(entry("c1"))
    with pytest.raises(Unavailable):
        read_ledgers(tmp_path)


def test_without_any_agent_there_is_no_ledger(tmp_path: Path) -> None:
    assert read_ledgers(tmp_path / "none") == ()
