"""What is wrong with anything but one Pod's networks: in the log when it begins, and in a report for `secnet status`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from secnet.contract import SecnetError

from ..cluster.problems import ProblemList, problem_text
from ..model.problem import Problem
from ..state.reports import Reports

__all__ = ["ErrorProblem", "ProblemReport"]

_log = logging.getLogger(__name__)


class ErrorProblem:
    """The error that something has now, as a problem. For one thread.

    source: names it where the error names no object. on_begin: called with each problem once.
    """

    def __init__(
        self,
        source: str,
        error: Callable[[], SecnetError | None],
        on_begin: Callable[[Problem], None] = lambda problem: None,
    ) -> None:
        self._source = source
        self._error = error
        self._on_begin = on_begin
        self._problems = ProblemList(time.time)

    def problems(self) -> tuple[Problem, ...]:
        """None or one."""
        error = self._error()
        before = self._problems.current()
        self._problems.update([] if error is None else [problem_text(error, self._source)])
        found = self._problems.current()
        for problem in found:
            if problem not in before:
                self._on_begin(problem)
        return found


class ProblemReport:
    """Of one agent. `note` is for one thread. sources: each gives its problems of now."""

    def __init__(self, reports: Reports, sources: Iterable[Callable[[], tuple[Problem, ...]]]) -> None:
        self._reports = reports
        self._sources = tuple(sources)
        self._problems: tuple[Problem, ...] = ()
        self._unwritten = False

    def note(self) -> None:
        """Log what is new, and write all that there is."""
        problems = tuple(problem for source in self._sources for problem in source())
        if problems == self._problems and not self._unwritten:
            return
        for problem in problems:
            if problem not in self._problems:
                _log.log(logging.INFO if problem.note else logging.WARNING, "%s", problem)
        self._problems = problems
        try:
            self._reports.write_problems(problems)
            self._unwritten = False
        except OSError as exc:  # such as a full disk: it is tried again with each look
            if not self._unwritten:
                _log.error("the problems of this node cannot be written: %s", exc)
            self._unwritten = True
