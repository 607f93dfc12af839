"""Tiers of tests: what a test needs from the machine, and the promise that nothing in a tier is skipped.

A test belongs to the tiers it is marked with (`@pytest.mark.kernel`), or else to the one whose name a folder above it has
(`tests/ovs/test_ports.py`), or else to `unit`. A test that lacks something skips and names what it lacks. With
`--promise=kernel,ovs` such a skip is a failure in these tiers, and so is, in a run of all tests, a promised tier of which
no test ran: that is how CI knows that nothing was left out silently.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

TIERS = ("unit", "kernel", "ovs", "nodes", "runtime", "kit", "thirdparty", "vm", "kubernetes", "fresh")


def tiers_of(marks: set[str], path: Path) -> tuple[str, ...]:
    """The tiers of a test with `marks` in the file `path`, relative to the root; never empty."""
    return (
        tuple(tier for tier in TIERS if tier in marks)
        or tuple(tier for tier in TIERS if tier in path.parts[:-1])
        or ("unit",)
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--promise",
        default="",
        metavar="TIER,...",
        help=f"tiers in which a skip is a failure, of {', '.join(TIERS)}",
    )


def pytest_configure(config: pytest.Config) -> None:
    promised = [tier for tier in config.getoption("promise").split(",") if tier]
    if unknown := [tier for tier in promised if tier not in TIERS]:
        raise pytest.UsageError(f"--promise: {', '.join(unknown)} is none of {', '.join(TIERS)}")
    config.pluginmanager.register(Promise(config, promised), "secnet-promise")


class Promise:
    """Marks each test with its tiers, counts what ran in each, and turns skips in promised tiers into failures."""

    def __init__(self, config: pytest.Config, promised: list[str]) -> None:
        self.root = config.rootpath
        # A person who picks tests by path or -k did not ask for every tier.
        picked = (
            config.args_source is pytest.Config.ArgsSource.ARGS
            or config.option.keyword
            or config.getoption("lf", False)
        )
        self.whole = not picked
        self.promised = promised
        self.ran: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.not_run: dict[str, dict[str, list[str]]] = {}  # tier -> why -> tests

    def _tiers(self, node: pytest.Item | pytest.Collector) -> tuple[str, ...]:
        path = node.path
        relative = path.relative_to(self.root) if path.is_relative_to(self.root) else path
        return tiers_of({mark.name for mark in node.iter_markers()}, relative)

    @pytest.hookimpl(tryfirst=True)  # before -m selects
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for tier in self._tiers(item):
                item.add_marker(tier)

    def _keep_promise(self, report: Any, tiers: tuple[str, ...]) -> None:
        """Make a failure of a report that says skipped, if one of its tiers is promised."""
        report.tiers = list(tiers)
        hit = [tier for tier in tiers if tier in self.promised]
        if not hit or not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"promised tier {', '.join(hit)}: {reason}"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self._keep_promise(report, self._tiers(item))
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """A module may skip itself as a whole, before any of its tests has a report."""
        report = yield
        if isinstance(collector, pytest.Module):
            self._keep_promise(report, self._tiers(collector))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        tiers: list[str] = getattr(report, "tiers", [])
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.update(tiers)
        elif not self._note_broken(report) and report.when == "call":
            self.ran.update(tiers)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note_broken(report)

    def _note_broken(self, report: pytest.TestReport | pytest.CollectReport) -> bool:
        """Note a test that did not run although its tier is promised; returns whether it is one."""
        said = str(report.longrepr)
        if not report.failed or not said.startswith("promised tier "):
            return False
        promised, _, reason = said.partition(": ")
        for tier in promised.removeprefix("promised tier ").split(", "):
            self.not_run.setdefault(tier, {}).setdefault(reason, []).append(report.nodeid)
        return True

    def _broken(self) -> list[str]:
        """A line for each test that did not run; one for all of a tier that share a reason, as they say nothing more."""
        lines = []
        for tier, reasons in self.not_run.items():
            for reason, tests in reasons.items():
                which = tests[0] if len(tests) == 1 else f"{len(tests)} tests, {tests[0]} and others"
                lines.append(f"{which}: promised tier {tier}: {reason}")
        return lines

    def _missing(self, tier: str) -> str:
        """How many tests of a tier did not run; and why, in short, if all for one reason."""
        reasons = self.not_run.get(tier, {})
        if not reasons:
            return ""
        short = {reason.removeprefix("Skipped: ").partition(": ")[0] for reason in reasons}
        why = f": {short.pop()}" if len(short) == 1 else ""
        return f", {sum(map(len, reasons.values()))} not run{why}"

    def _empty(self) -> list[str]:
        return [tier for tier in self.promised if self.whole and not self.ran[tier]]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        # --collect-only runs nothing, and a worker of xdist sees a part only.
        if session.config.option.collectonly or hasattr(session.config, "workerinput"):
            return
        if self._empty() and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        if config.option.collectonly:
            return
        for tier in TIERS:
            if self.ran[tier] or self.skipped[tier] or tier in self.promised:
                promise = f", promised{self._missing(tier)}" if tier in self.promised else ""
                terminalreporter.write_line(f"tier {tier}: {self.ran[tier]} ran, {self.skipped[tier]} skipped{promise}")
        for line in self._broken():
            terminalreporter.write_line(f"promise broken: {line}", red=True)
        for tier in self._empty():
            terminalreporter.write_line(f"promise broken: no test of tier {tier} ran", red=True)
