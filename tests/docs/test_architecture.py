"""docs/architecture.md names every package of the agent, and the import contracts say what it says."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AGENT = ROOT / "core/src/secnet/agent"
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)

PAGE = (ROOT / "docs/architecture.md").read_text()
ROWS = {name: allowed for name, _, allowed in ROW.findall(PAGE.partition("The rooms of `secnet.agent`")[2])}
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def _columns() -> dict[str, set[str]]:
    """Package -> what it may not import, of the packages that lie below it or beside it."""
    return {
        contract["source_modules"][0].removeprefix("secnet.agent."): {
            name.removeprefix("secnet.agent.") for name in contract["forbidden_modules"]
        }
        for contract in CONTRACTS
        if contract["name"].startswith("what secnet.agent.")
    }


def _layers() -> list[set[str]]:
    """The packages from the bottom to the top."""
    (layers,) = [contract["layers"] for contract in CONTRACTS if contract.get("containers") == ["secnet.agent"]]
    return [{name.strip() for name in layer.split("|")} for layer in reversed(layers)]


def test_every_package_is_on_the_map_and_nothing_lies_flat() -> None:
    assert set(ROWS) == {path.parent.name for path in AGENT.glob("*/__init__.py")}
    assert [path.name for path in AGENT.glob("*.py")] == ["__init__.py"]


def test_the_map_goes_from_the_bottom_to_the_top() -> None:
    level = {name: number for number, layer in enumerate(_layers()) for name in layer}
    assert list(ROWS) == sorted(ROWS, key=lambda name: level[name])


def test_the_map_says_what_the_import_contracts_say() -> None:
    layers, columns = _layers(), _columns()
    for name, allowed in ROWS.items():
        level = next(number for number, layer in enumerate(layers) if name in layer)
        below = {each for layer in layers[:level] for each in layer}
        if allowed in ("all above", "everything"):
            assert name not in columns
        elif allowed.startswith("all but"):
            assert columns[name] == set(re.findall(r"`(\w+)`", allowed))
        else:
            assert columns.get(name, set()) == below - set(re.findall(r"`(\w+)`", allowed)), name


def test_a_private_module_is_imported_in_its_own_package_only() -> None:
    found = []
    for file in AGENT.rglob("*.py"):
        package = file.relative_to(AGENT).parts[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.level > 1 or "secnet.agent" in (node.module or "")):
                names = (node.module or "").removeprefix("secnet.agent.").split(".")
                outside = node.level == 0 or node.level > len(file.relative_to(AGENT).parts) - 1
                if outside and names[0] != package and any(name.startswith("_") for name in names):
                    found.append(f"{file.relative_to(AGENT)}: {node.module}")
    assert found == []
