"""Capabilities, read from a status file of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet.linux.privileges import lacking


@pytest.fixture
def status(tmp_path: Path) -> Path:
    (tmp_path / "self").mkdir()
    return tmp_path / "self/status"


def test_missing_capabilities_are_named(status: Path) -> None:
    proc = status.parents[1]
    status.write_text("Name:\tx\nCapEff:\t0000000000001000\n")
    assert lacking(proc, "CAP_NET_ADMIN", "CAP_SYS_ADMIN") == "CAP_SYS_ADMIN missing; run the agent as root"
    assert lacking(proc, "CAP_NET_ADMIN") == ""
    status.write_text("CapEff:\t000001ffffffffff\n")
    assert lacking(proc, "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_MODULE", "CAP_SYS_ADMIN") == ""


def test_a_status_without_capabilities_has_none(status: Path) -> None:
    status.write_text("Name:\tx\n")
    assert lacking(status.parents[1], "CAP_NET_ADMIN").startswith("CAP_NET_ADMIN missing")


def test_a_host_without_proc_is_reported(tmp_path: Path) -> None:
    assert "mount /proc" in lacking(tmp_path, "CAP_NET_ADMIN")


def test_an_unknown_name_is_a_mistake_of_the_caller(status: Path) -> None:
    with pytest.raises(KeyError):
        lacking(status.parents[1], "CAP_NETADMIN")
