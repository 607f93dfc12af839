"""Runs the sample plugins under the kit, in a pytest of its own, and gives the tests that failed."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from secnet_conformance.needs import requires_command, requires_root

SAMPLES = Path(__file__).parent / "samples"
_RUNS = 4
"""More than cores: what fails waits first."""


@pytest.fixture(scope="session")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, frozenset[str]]:
    """Suite -> names of its tests that failed, for each suite that ran at least one test."""
    requires_root()
    requires_command("ip")
    suites = _collected()
    parts = [suites[number::_RUNS] for number in range(_RUNS)]
    folder = tmp_path_factory.mktemp("samples")
    with ThreadPoolExecutor(_RUNS) as threads:
        results = threads.map(lambda item: _run(item[1], folder / f"{item[0]}.xml"), enumerate(parts))
        found: dict[str, frozenset[str]] = {}
        for result in results:
            found.update(result)
    assert sorted(found) == sorted(suites)
    return found


def _collected() -> list[str]:
    lines = _pytest("--collect-only", "-q").stdout.splitlines()
    return list(dict.fromkeys(line.split("::")[1] for line in lines if "::" in line))


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
    file = str(SAMPLES / "sample_cases.py")
    paths = [f"{file}::{suite}" for suite in targets] if targets else [file]
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
        [*argv, *options, *paths], env=environment, capture_output=True, text=True, check=False, timeout=850
    )
