"""Problems of a source keep the time since when they are there."""

from __future__ import annotations

from secnet.agent.cluster.problems import ProblemList, ProblemText, problem_text
from secnet.contract import InvalidConfig

BAD, WORSE = ProblemText("a.yaml", "is bad", ""), ProblemText("b.yaml", "is worse", "", note=True)


def test_what_stays_keeps_its_time_and_what_goes_is_gone() -> None:
    now = [0.0]
    problems = ProblemList(lambda: now[0])
    problems.update([BAD])
    now[0] = 60.0
    problems.update([BAD, WORSE])
    assert [(item.source, item.since[-9:], item.note) for item in problems.current()] == [
        ("a.yaml", "00:00:00Z", False),
        ("b.yaml", "00:01:00Z", True),
    ]
    problems.update([])
    problems.update([BAD])
    assert problems.current()[0].since.endswith("00:01:00Z"), "it was gone in between"


def test_an_error_as_a_problem() -> None:
    error = InvalidConfig("is unknown", hint="correct it", path="$.kind")
    assert problem_text(error, "a.yaml", "; the rest works") == (
        "a.yaml",
        "$.kind: is unknown",
        "correct it; the rest works",
        False,
    )
    assert problem_text(InvalidConfig("x", subject="Pod a/b"), "a.yaml").source == "Pod a/b"
