"""The modules made of .proto files are committed: no one needs the compiler to use them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
MADE = ("*_pb2.py", "*_pb2.pyi")


def made_below(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for pattern in MADE for path in folder.rglob(pattern)}


def test_the_modules_are_what_their_protos_say(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "tools" / "protos", tmp_path], check=True, timeout=60)
    committed = made_below(ROOT / "core/src") | made_below(ROOT / "tests/support")
    assert len(committed) >= 4
    assert made_below(tmp_path) == committed, "run make protos"


def test_the_extra_asks_for_a_protobuf_that_takes_the_modules() -> None:
    """A module refuses a protobuf that is older than what made it, when it is imported."""
    (line,) = [
        line
        for line in (ROOT / "core/src/secnet/agent/sandboxes/cri/runtime_pb2.py").read_text().splitlines()
        if line.startswith("# Protobuf Python Version: ")
    ]
    extras = tomllib.loads((ROOT / "core/pyproject.toml").read_text())["project"]["optional-dependencies"]
    (wanted,) = [need for need in map(Requirement, extras["cluster"]) if need.name == "protobuf"]
    assert str(wanted.specifier) == f">={line.rpartition(' ')[2]}"
    assert metadata.version("protobuf") in wanted.specifier
