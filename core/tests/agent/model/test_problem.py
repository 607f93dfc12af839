"""A problem in words, and a fault of secnet itself."""

from __future__ import annotations

from secnet.agent.model.problem import InternalError, Problem


def test_a_problem_names_its_source_and_its_remedy_if_there_is_one() -> None:
    given = {"source": "pods.yaml", "message": "is no YAML", "since": "2026-01-01T00:00:00Z"}
    assert str(Problem(**given, hint="correct it")) == "pods.yaml: is no YAML; correct it"
    assert str(Problem(**given, hint="")) == "pods.yaml: is no YAML"


def test_a_fault_of_secnet_is_tried_again_and_names_the_exception() -> None:
    error = InternalError(ZeroDivisionError("by zero"), subject="Pod default/web")
    assert error.info.retryable
    assert (error.message, error.subject) == ("ZeroDivisionError: by zero", "Pod default/web")
    assert "report it" in error.hint
