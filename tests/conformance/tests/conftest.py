"""Runs the sample plugins under the kit, in a pytest of its own, and gives the tests that failed."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from secnet_conformance.needs import requires_command, requires_root
from secnet_conformance.suite import Suite
from secnet_testing.veth_pair import wire

__all__ = ["wire"]
from secnet_conformance.suite import group_of
from secnet_testing.samplechoice import Choice, choose, seed_of

SAMPLES = Path(__file__).parent / "samples"
FILES = sorted(SAMPLES.glob("*_cases.py"))
RIGHT, WHOLE, PROOF = (
    "test_a_right_plugin_passes_everything",
    "test_a_wrong_plugin_fails_exactly_these",
    "test_a_wrong_plugin_fails_its_rules",
)
"""The tests about one sample each."""
WRONG: Mapping[str, list[str]] = tomllib.loads((SAMPLES / "failing.toml").read_text())
Rule = tuple[str, str]
"""A test of the kit: the module within the kit that holds it, and its name without `test_`."""
CHOICE = pytest.StashKey[Choice[Rule]]()
_RUNS = 4
"""More than cores: what fails waits first."""
_TESTS = 8
"""Proofs in one process: each process imports for a second. A whole sample has a process of its own."""


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


def _samples(items: Sequence[pytest.Item], *tests: str) -> dict[str, pytest.Item]:
    """Sample -> its item, of these tests in test_samples.py."""
    here = Path(__file__).with_name("test_samples.py")
    found = [item for item in items if isinstance(item, pytest.Function) and item.path == here]
    return {item.callspec.params["sample"]: item for item in found if item.originalname in tests}


@pytest.hookimpl(trylast=True)  # after -m and -k
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    whole, proofs = _samples(items, WHOLE), _samples(items, PROOF)
    if len(whole) < len(WRONG) or len(proofs) < len(WRONG):
        return  # samples were picked already, or the tier is left out
    out = list(proofs.values())
    if not config.getoption("all"):
        choice = config.stash[CHOICE] = choose(rules_of(_load_suites()), seed_of(config))
        out = [item for name, item in whole.items() if name not in choice.turn]
        out += [item for name, item in proofs.items() if name not in choice.proofs]
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
def proofs(request: pytest.FixtureRequest) -> Mapping[str, Sequence[str]]:
    """Wrong sample -> the tests of the kit that this run wants to see it fail, for each that is to prove some."""
    asked = _samples(request.session.items, PROOF)
    if CHOICE not in request.config.stash:
        return {name: WRONG[name] for name in asked}
    chosen = request.config.stash[CHOICE].proofs
    return {name: sorted(test for _, test in chosen[name]) for name in asked}


@pytest.fixture(scope="session")
def failing(
    request: pytest.FixtureRequest,
    collected: Mapping[str, str],
    proofs: Mapping[str, Sequence[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, frozenset[str]]:
    """Suite -> names of its tests that failed, for each sample that a test of this run asks about."""
    requires_root()
    requires_command("ip")
    whole = list(_samples(request.session.items, WHOLE, RIGHT))
    folder = tmp_path_factory.mktemp("samples")
    single = [
        f"{collected[f'Test{name}']}::test_{test}" for name in proofs if name not in whole for test in proofs[name]
    ]
    parts = [[collected[f"Test{name}"]] for name in whole]
    parts += [single[first : first + _TESTS] for first in range(0, len(single), _TESTS)]
    found: dict[str, frozenset[str]] = {}
    with ThreadPoolExecutor(_RUNS) as threads:
        for result in threads.map(lambda item: _run(item[1], folder / f"{item[0]}.xml"), enumerate(parts)):
            for suite, names in result.items():
                found[suite] = found.get(suite, frozenset()) | names
    assert sorted(found) == sorted(f"Test{name}" for name in {*whole, *proofs})
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
