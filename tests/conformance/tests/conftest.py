"""Runs the sample plugins under the kit, in a pytest of its own, and gives the tests that failed."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from secnet_conformance.needs import requires_command, requires_root
from secnet_conformance.suite import Suite
from secnet_testing.veth_pair import wire

__all__ = ["wire"]

SAMPLES = Path(__file__).parent / "samples"
FILES = sorted(SAMPLES.glob("*_cases.py"))
_RUNS = 4
"""More than cores: what fails waits first."""


@pytest.fixture(scope="session")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, frozenset[str]]:
    """Suite -> names of its tests that failed, for each suite that ran at least one test."""
    requires_root()
    requires_command("ip")
    suites = _collected()
    parts = [list(suites.values())[number::_RUNS] for number in range(_RUNS)]
    folder = tmp_path_factory.mktemp("samples")
    with ThreadPoolExecutor(_RUNS) as threads:
        results = threads.map(lambda item: _run(item[1], folder / f"{item[0]}.xml"), enumerate(parts))
        found: dict[str, frozenset[str]] = {}
        for result in results:
            found.update(result)
    assert sorted(found) == sorted(suites)
    return found


def _collected() -> dict[str, str]:
    """Suite -> what pytest is told to run it. No two files have a suite of one name."""
    lines = _pytest("--collect-only", "-q").stdout.splitlines()
    targets = list(dict.fromkeys(line.rpartition("::")[0] for line in lines if "::" in line))
    found = {target.rpartition("::")[2]: str(SAMPLES / target) for target in targets}
    assert len(found) == len(targets), f"two suites of one name: {targets}"
    return found


@pytest.fixture(scope="session")
def suites() -> Mapping[str, type[Suite]]:
    """Each sample suite by its name; not run, only looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SAMPLES))
        modules = [importlib.import_module(file.stem) for file in FILES]
    return {name: item for module in modules for name, item in vars(module).items() if name.startswith("Test")}


def _run(suites: list[str], file: Path) -> dict[str, frozenset[str]]:
    done = _pytest(f"--junitxml={file}", "-q", "--tb=short", targets=suites)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, set[str]] = {}
    for case in ElementTree.parse(file).iter("testcase"):
        names = found.setdefault(case.get("classname", "").rpartition(".")[2], set())
        if case.find("failure") is not None or case.find("error") is not None:
            names.add(case.get("name", "").partition("[")[0])
        assert case.find("skipped") is None, f"skipped: {case.attrib}"
    return {suite: frozenset(names) for suite, names in found.items()}


def _pytest(*options: str, targets: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    paths = targets or [str(file) for file in FILES]
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "--noconftest",
        "-p",
        "no:cacheprovider",
        f"--rootdir={SAMPLES}",
        "-c",
        os.devnull,
    ]
    environment = os.environ | {"PYTHONPATH": str(SAMPLES)}
    return subprocess.run(
        [*argv, *options, *paths], env=environment, capture_output=True, text=True, check=False, timeout=3400
    )
