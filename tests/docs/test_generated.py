"""The generated pages are what the schemas and the parser say now."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("cli.md", "configuration.md")


def generate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DOCS / "generate.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_committed_pages_are_fresh() -> None:
    done = generate("--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("page", PAGES)
def test_a_stale_page_is_found_and_written_again(page: str, tmp_path: Path) -> None:
    for name in PAGES:
        shutil.copy(DOCS / name, tmp_path / name)
    file = tmp_path / page
    fresh = file.read_text()
    file.write_text(fresh.replace("MTU" if page == "configuration.md" else "--timeout", "something else", 1))
    stale = generate("--check", "--to", tmp_path)
    assert stale.returncode == 1
    assert stale.stdout == f"docs: {page} is out of date: run make docs\n"
    assert generate("--to", tmp_path).returncode == 0
    assert file.read_text() == fresh


def test_the_reference_has_a_section_for_each_of_our_plugins() -> None:
    """A plugin that could not be loaded would vanish from the reference without a word."""
    text = (DOCS / "configuration.md").read_text()
    for title in (
        "### Node configuration: drivers.vlan",
        *(f"### Options of networkType: {name}" for name in ("vlan", "sriov", "sriov-vf", "sriov-sf")),
        *(f"### Keys of ipam.type: {name}" for name in ("antrea", "static")),
    ):
        assert f"\n{title}\n" in text
