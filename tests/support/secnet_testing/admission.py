"""A ValidatingAdmissionPolicy as an API server applies it: its CEL, run by a library for CEL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cel_expr_python import cel

__all__ = ["Policy"]


class Policy:
    """One policy. Raises RuntimeError for an expression that does not compile."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.name: str = document["metadata"]["name"]
        self.spec: Mapping[str, Any] = document["spec"]
        variables = {"object": cel.Type.DYN, "oldObject": cel.Type.DYN}
        environment = cel.NewEnv(variables=variables)
        self._rules = [
            (environment.compile(rule["expression"]), environment.compile(rule["messageExpression"]))
            for rule in self.spec["validations"]
        ]

    def matches(self, group: str, resource: str, operation: str) -> bool:
        """Whether a request is looked at. A policy without `subresources` in its rules never sees those."""
        return any(
            group in rule["apiGroups"] and resource in rule["resources"] and operation in rule["operations"]
            for rule in self.spec["matchConstraints"]["resourceRules"]
        )

    def refusals(self, new: Mapping[str, Any] | None, old: Mapping[str, Any] | None) -> list[str]:
        """What it says against a request. An expression that fails refuses, as `failurePolicy: Fail` has it."""
        data = {"object": new, "oldObject": old}
        found = []
        for expression, message in self._rules:
            answer = expression.eval(data=data).value()
            if answer is not True:
                found.append(str(message.eval(data=data).value()) if answer is False else f"failed: {answer}")
        return found
