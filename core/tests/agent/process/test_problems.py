"""The problems of an agent: in its log once, and in the report while they last."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from secnet.agent.model.problem import Problem
from secnet.agent.process._problems import ErrorProblem, ProblemReport
from secnet.agent.state.reports import Reports
from secnet.contract import NotReady, SecnetError
from secnet_testing.full_disk import fill, small_disk


def test_an_error_is_a_problem_while_it_lasts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    error: SecnetError | None = None
    reports = Reports(tmp_path)
    begun: list[Problem] = []
    report = ProblemReport(reports, [ErrorProblem("CNI plugin", lambda: error, begun.append).problems])
    report.note()
    assert (reports.problems(), caplog.messages) == ((), [])
    error = NotReady("is not in", hint="put it in")
    for _ in range(2):
        report.note()
    assert [str(problem) for problem in reports.problems()] == ["CNI plugin: is not in; put it in"]
    assert caplog.messages == ["CNI plugin: is not in; put it in"]
    assert tuple(begun) == reports.problems()
    error = None
    report.note()
    assert reports.problems() == ()


@pytest.mark.kernel
def test_what_does_not_fit_on_a_full_disk_is_written_when_there_is_space(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "run") as disk:
        reports = Reports(disk)
        report = ProblemReport(reports, [ErrorProblem("CNI plugin", lambda: NotReady("is not in")).problems])
        ballast = fill(disk)
        for _ in range(3):
            report.note()
        assert reports.problems() == ()
        assert caplog.text.count("cannot be written") == 1
        ballast.unlink()
        report.note()
        assert [problem.source for problem in reports.problems()] == ["CNI plugin"]
