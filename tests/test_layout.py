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


AGENT, AGENT_TESTS = ROOT / "core/src/secnet/agent", ROOT / "core/tests/agent"

WITHOUT_TESTS = {
    "attach/_steps.py": "the steps of attach/pipeline.py, which test_pipeline.py takes through all of them",
    "cluster/interface.py": "an interface; cluster/rules.py has what every implementation must do",
    "devices/podresources_pb2.py": "generated",
    "devices/source.py": "an interface",
    "model/limits.py": "data",
    "model/multus.py": "data",
    "model/network.py": "data",
    "model/sandbox.py": "data, and an interface",
    "model/selection.py": "data",
    "model/work.py": "data",
    "sandboxes/cri/runtime_pb2.py": "generated",
}
"""Modules of secnet.agent that need no test file of their name, each with the reason."""


def modules() -> dict[str, str]:
    """Each module of secnet.agent, without the `__init__` of packages, with the place of its test file."""
    found = {}
    for path in sorted(AGENT.rglob("*.py")):
        if path.name != "__init__.py":
            module = path.relative_to(AGENT)
            found[str(module)] = str(module.parent / f"test_{path.stem.lstrip('_')}.py")
    return found


def test_each_module_of_the_agent_has_the_test_file_of_its_name() -> None:
    """`cluster/kube/_reader.py` is tested by `cluster/kube/test_reader.py`: whoever edits one finds the other."""
    missing = {module: test for module, test in modules().items() if not (AGENT_TESTS / test).is_file()}
    assert {module: test for module, test in missing.items() if module not in WITHOUT_TESTS} == {}
    assert WITHOUT_TESTS.keys() - missing.keys() == set(), "these are gone, or have their test file"


def test_no_two_modules_share_a_test_file() -> None:
    tests = list(modules().values())
    assert sorted(set(tests)) == sorted(tests)
