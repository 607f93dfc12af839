"""docs/troubleshooting.md knows every reason and every finding that a user can see."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import secnet
import secnet.contract
import secnet_ipam
import secnet_sriov
import secnet_vlan
from secnet.agent.model.report import LATE
from secnet.agent.process.app import NOT_CHAINED
from secnet.contract import Permanent, Retryable, SecnetError

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
PACKAGES = (secnet, secnet_vlan, secnet_sriov, secnet_ipam)
KINDS = {SecnetError, Retryable, Permanent}  # never raised themselves, see the test below


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for package in PACKAGES:
        for file in sorted(Path(package.__path__[0]).rglob("*.py")):
            yield file, ast.parse(file.read_text(encoding="utf-8"))


def error_classes() -> set[type[SecnetError]]:
    """Every subclass in every module of ours."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found, look_at = set(), [SecnetError]
    while look_at:
        cls = look_at.pop()
        if cls not in found:
            found.add(cls)
            look_at.extend(cls.__subclasses__())
    return {cls for cls in found if cls.__module__.split(".")[0] in {package.__name__ for package in PACKAGES}}


def called(tree: ast.AST, function: str, keyword: str) -> set[str]:
    """Values of `keyword` in calls of `function`: literals, and constants of the contract."""
    arguments = [
        argument.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == function
        for argument in call.keywords
        if argument.arg == keyword
    ]
    literals = {value.value for value in arguments if isinstance(value, ast.Constant)}
    names = {value.id for value in arguments if isinstance(value, ast.Name)} & set(secnet.contract.__all__)
    return literals | {getattr(secnet.contract, name) for name in names}


def test_every_reason_has_a_section() -> None:
    reasons = {cls.__name__ for cls in error_classes() - KINDS}
    literal = set().union(*(called(tree, "ErrorInfo", "reason") for _, tree in sources())) | {LATE, NOT_CHAINED}
    assert {"NotReady", "InvalidAnnotation", "RunDirInUse"} <= reasons
    assert {"Degraded", "UnreadableRecord", "InternalError"} <= literal
    sections = set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE))
    assert (reasons | literal) - sections == set(), "write a section for these into docs/troubleshooting.md"
    codes = set().union(*(called(tree, "Finding", "code") for _, tree in sources()))  # of advisory findings: the reason
    assert sections - (reasons | literal | codes) == set(), "these sections are about no reason any more"


def test_every_finding_is_in_the_table() -> None:
    """Findings of checks; those of `secnet validate` have no code."""
    codes = set().union(*(called(tree, "Finding", "code") for _, tree in sources()))
    assert "InterfaceMissing" in codes
    table = PAGE.partition("## Findings of a check")[2]
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", table, re.MULTILINE)
    listed = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    assert codes - listed == set(), "write these into the table of docs/troubleshooting.md"
    assert listed - codes == set(), "the table has findings that nothing reports"


@pytest.mark.parametrize("kind", sorted(cls.__name__ for cls in KINDS))
def test_a_kind_of_error_is_never_raised_itself(kind: str) -> None:
    raised = [
        f"{file.name}:{node.lineno}"
        for file, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and ast.unparse(node.exc.func) == kind
    ]
    assert raised == []
