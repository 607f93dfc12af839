"""The pytest plugin: options, which tests of a suite apply to a case, and the report."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite(
    "secnet_conformance.driver",
    "secnet_conformance.backend",
    "secnet_conformance.package",
    "secnet_conformance.netns",
    "secnet_conformance.children",
)

from .report import Report, Row  # noqa: E402
from .suite import NOT_HERE, Suite, group_of, not_applicable  # noqa: E402

_NONE = "none in the case"
_WORKER_KEY = "secnet_conformance"
_NOTE_KEY = "secnet_not_applicable"
_CAPABILITIES = ("honoured", "undeclared")
"""Arguments of tests that are about one capability."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("secnet", "conformance of secnet plugins")
    group.addoption(
        "--secnet-strict",
        action="store_true",
        help="a life cycle that cannot run here is a failure, unless the case says not_ready",
    )
    group.addoption("--secnet-report", metavar="FILE", type=Path, help="write plugin x test as a Markdown table")
    group.addoption(
        "--secnet-golden",
        action="store_true",
        help="write the golden records of this contract version that are missing",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Conformance(config), "secnet-conformance-run")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give the arguments of a suite's test the values that its case holds."""
    suite = metafunc.cls
    if suite is None or not issubclass(suite, Suite):
        return
    for name, values in suite.parameters.items():
        if name in metafunc.fixturenames:
            found = list(values(suite.case)) or [None]
            metafunc.parametrize(name, found, ids=[_label(item) for item in found])


def _label(value: Any) -> str:
    if value is None:
        return _NONE
    if isinstance(value, Path):
        return f"{value.parent.name}/{value.name}"
    return str(dict(value) if isinstance(value, Mapping) else value)


def _row(item: pytest.Item) -> Row | None:
    """What the report knows of a test of the kit; None for any other test."""
    suite = getattr(item, "cls", None)
    if not isinstance(item, pytest.Function) or suite is None or not issubclass(suite, Suite):
        return None
    part = group_of(suite, item.originalname)
    if not part.__module__.startswith("secnet_conformance."):
        return None
    params = item.callspec.params if hasattr(item, "callspec") else {}
    note = part.why_not(suite.case) or not_applicable(getattr(suite, item.originalname), suite.case)
    if any(key in suite.parameters and value is None for key, value in params.items()):
        note = _NONE
    if suite.case.not_ready and part.needs_life:
        note = f"not ready: {suite.case.not_ready}"
    capability = next((str(params[key]) for key in _CAPABILITIES if params.get(key)), "")
    return Row(plugin=suite.title(), group=part.group, test=item.originalname, capability=capability, note=note)


class Conformance:
    """What one run knows."""

    def __init__(self, config: pytest.Config) -> None:
        self._strict: bool = config.getoption("secnet_strict")
        self._file: Path | None = config.getoption("secnet_report")
        self._report = Report()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Of what was asked for, take out what does not apply or cannot be yet; the report says why."""
        rows = {item: row for item in items if (row := _row(item)) is not None}
        for item, row in rows.items():
            item.extra_keyword_matches.update(row.group.split())
        yield  # here pytest picks by -k and -m
        for item in items:
            if item in rows:
                self._report.expect(item.nodeid, rows[item])
                for lack in item.cls.lacks():  # type: ignore[attr-defined]
                    self._report.lacks(rows[item].plugin, lack)
        left_out = [item for item in items if item in rows and rows[item].note]
        if left_out:
            items[:] = [item for item in items if item not in rows or not rows[item].note]
            config.hook.pytest_deselected(items=left_out)

    @pytest.hookimpl(wrapper=True, trylast=True)  # before another plugin counts a skip
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A test of a suite that skips has failed, if nothing may be left out; one that does not apply is no skip."""
        report = yield
        if report.skipped and isinstance(report.longrepr, tuple) and NOT_HERE in report.longrepr[2]:
            setattr(report, _NOTE_KEY, report.longrepr[2].partition(NOT_HERE)[2])
            report.outcome, report.longrepr = "passed", None
        elif self._strict and report.skipped and _row(item) is not None:
            report.outcome = "failed"
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            report.longrepr = f"--secnet-strict: {reason}"
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        note = getattr(report, _NOTE_KEY, "")
        self._report.note(
            report.nodeid, "n/a" if note else report.outcome, note or reason, is_call=report.when == "call"
        )

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A worker of pytest-xdist hands over what it knows."""
        if (output := getattr(session.config, "workeroutput", None)) is not None:
            output[_WORKER_KEY] = self._report.to_json()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Its answer, where the tests are shared out. A worker that died has none."""
        if (data := getattr(node, "workeroutput", {}).get(_WORKER_KEY)) is not None:
            self._report.merge(data)

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        for line in self._report.lines():
            terminalreporter.write_line(line)
        if self._file is not None:
            self._file.write_text(self._report.markdown(), encoding="utf-8")
            terminalreporter.write_line(f"secnet conformance: the report of each test is in {self._file}")
