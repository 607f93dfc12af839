"""Runs the sample plugins under the kit, in a pytest of its own, and gives the tests that failed."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from secnet_conformance.needs import requires_command, requires_root
from secnet_conformance.suite import Suite, group_of
from secnet_testing.samplechoice import Choice, choose, seed_of

SAMPLES = Path(__file__).parent / "samples"
FILES = sorted(SAMPLES.glob("*_cases.py"))
WRONG: Mapping[str, list[str]] = tomllib.loads((SAMPLES / "failing.toml").read_text())
CHOICE = pytest.StashKey[Choice]()
_RUNS = 4
"""More than cores: what fails waits first."""
_SUITES = 4
"""In one process: few, so that no long one is left to run alone in the end; each process imports for a second."""


Rule = tuple[str, str]
"""A test of the kit: the module within the kit that holds it, and its name without `test_`."""


def rule(suite: type[Suite], test: str) -> Rule:
    """The rule that a test of a suite stands for; `test` without `test_`."""
    return group_of(suite, f"test_{test}").__module__.removeprefix("secnet_conformance."), test


def rules_of(suites: Mapping[str, type[Suite]]) -> dict[str, set[Rule]]:
    """Wrong sample -> the rules that it fails."""
    return {name: {rule(suites[f"Test{name}"], test) for test in tests} for name, tests in WRONG.items()}


def _load_suites() -> dict[str, type[Suite]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SAMPLES))
        modules = [importlib.import_module(file.stem) for file in FILES]
    return {name: item for module in modules for name, item in vars(module).items() if name.startswith("Test")}


def _sample(item: pytest.Item) -> str:
    """The sample that an item judges; empty for any other item."""
    if not isinstance(item, pytest.Function) or item.path != Path(__file__).with_name("test_samples.py"):
        return ""
    return str(item.callspec.params.get("sample", "")) if hasattr(item, "callspec") else ""


@pytest.hookimpl(trylast=True)  # after -m and -k
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wrong = [item for item in items if _sample(item) in WRONG]
    if len(wrong) < len(WRONG) or config.getoption("all"):
        return  # samples were picked already, or the tier is left out
    choice = config.stash[CHOICE] = choose(rules_of(_load_suites()), seed_of(config))
    out = [item for item in wrong if _sample(item) not in choice.names]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in out]


def pytest_report_collectionfinish(config: pytest.Config) -> str:
    return config.stash[CHOICE].line if CHOICE in config.stash else ""


@pytest.fixture(scope="session")
def suites() -> Mapping[str, type[Suite]]:
    """Each sample suite by its name; not run, only looked at."""
    return _load_suites()


@pytest.fixture(scope="session")
def collected() -> Mapping[str, str]:
    """Suite -> what pytest is told to run it. No two files have a suite of one name."""
    lines = _pytest("--collect-only", "-q").stdout.splitlines()
    targets = list(dict.fromkeys(line.rpartition("::")[0] for line in lines if "::" in line))
    found = {target.rpartition("::")[2]: str(SAMPLES / target) for target in targets}
    assert len(found) == len(targets), f"two suites of one name: {targets}"
    return found


@pytest.fixture(scope="session")
def failing(
    request: pytest.FixtureRequest, collected: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, frozenset[str]]:
    """Suite -> names of its tests that failed, for each sample that a test of this run asks about."""
    requires_root()
    requires_command("ip")
    asked = [f"Test{name}" for name in dict.fromkeys(map(_sample, request.session.items)) if name]
    folder = tmp_path_factory.mktemp("samples")
    parts = [[collected[name] for name in asked[first : first + _SUITES]] for first in range(0, len(asked), _SUITES)]
    found: dict[str, frozenset[str]] = {}
    with ThreadPoolExecutor(_RUNS) as threads:
        for result in threads.map(lambda item: _run(item[1], folder / f"{item[0]}.xml"), enumerate(parts)):
            found.update(result)
    assert sorted(found) == sorted(asked)
    return found


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
