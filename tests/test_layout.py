"""What holds for the tests as a whole: one helper for each job, and a test file for each module."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KIT = "tests/conformance/src/secnet_conformance"
SUPPORT = "tests/support/secnet_testing"


def files_with(pattern: str) -> set[str]:
    """The Python files of the tests, and of what helps them, whose code has this pattern."""
    folders = ("tests", "core/tests", "ipam/tests", "drivers/vlan/tests", "drivers/sriov/tests")
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py") if path != Path(__file__))
    return {str(path.relative_to(ROOT)) for path in found if re.search(pattern, path.read_text(encoding="utf-8"))}


def test_one_fork_server() -> None:
    """Two would differ in what a forked process inherits, and each test would have to know which one it got."""
    assert files_with(r"\bos\.fork\(") == {f"{KIT}/forking.py", f"{KIT}/forkserver.py"}


def test_one_double_of_the_api_server() -> None:
    """A second one would give answers that no API server gives."""
    servers = {name for name in files_with(r"http\.server|\baiohttp\b") if not name.startswith(f"{SUPPORT}/kubeapi/")}
    assert servers == {"tests/vm/test_image.py"}, "the last one is a mirror of packages, not an API"
