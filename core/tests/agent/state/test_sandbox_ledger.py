"""Which sandboxes this node ever gave addresses to."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet.agent.state.sandbox_ledger import SandboxLedger


def test_it_is_remembered_by_the_next_process_until_no_one_names_it(tmp_path: Path) -> None:
    ledger = SandboxLedger(tmp_path)
    for each in ("c1", "c2", "c1"):
        ledger.add(each)
    assert (tmp_path / "sandboxes").read_text() == "c1\nc2\n"
    later = SandboxLedger(tmp_path)
    assert "c1" in later
    later.keep_only(lambda: {"c2", "elsewhere"})
    assert "c1" not in later
    assert "elsewhere" not in later, "a name alone makes it no sandbox of this node"
    assert (tmp_path / "sandboxes").read_text() == "c2\n"


def test_a_file_that_cannot_be_written_is_logged_and_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "sandboxes").mkdir()
    ledger = SandboxLedger(tmp_path)
    ledger.add("c1")
    assert "c1" in ledger
    assert "cannot be read" in caplog.text
    assert "cannot be written" in caplog.text
