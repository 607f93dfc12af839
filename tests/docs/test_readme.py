"""What README.md promises: the prerequisites, the demo, the folders."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any


ROOT = Path(__file__).resolve().parents[2]
PREREQUISITES = "apt-get install -y make git ca-certificates python3"


def section(readme: Any, title: str) -> str:
    """The text of a section of the README."""
    (text,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", readme.text, re.MULTILINE | re.DOTALL)
    return str(text)


def test_the_prerequisites_are_one_line_in_a_block_of_its_own(readme: Any) -> None:
    assert readme.text.count("apt-get install") == 1
    assert [block.text for block in readme.blocks if "apt-get install" in block.text] == [f"{PREREQUISITES}\n"]


def test_the_two_commands_stand_in_the_readme(readme: Any) -> None:
    assert "make demo\nmake test\n" in [block.text for block in readme.blocks]


def test_make_help_is_pasted_as_it_is(readme: Any) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout in [block.text for block in readme.blocks]


def test_the_paste_of_the_demo_tells_what_the_demo_does(readme: Any) -> None:
    """Every step and expectation of the script stands in the paste, and nothing in it went wrong."""
    script = (ROOT / "examples" / "demo" / "run").read_text(encoding="utf-8")
    paste = section(readme, "What the demo shows")
    for words in re.findall(r'^ *say "([^"$]+)"', script, re.MULTILINE):
        assert f"== {words}\n" in paste
    wanted = re.findall(r"^ *expect (talks|silence) sn-demo-(\w+) (\w+) sn-demo-(\w+) ", script, re.MULTILINE)
    shown = re.findall(r"^(\w+) +(\w+) +-> (\w+) +\S+ +(talks|silence) +ok$", paste, re.MULTILINE)
    assert [(word, source, via, target) for source, via, target, word in shown] == wanted
    assert "WRONG" not in paste


def test_every_distribution_stands_in_the_table_of_folders(readme: Any) -> None:
    for project in [ROOT / "core", ROOT / "ipam", *sorted((ROOT / "drivers").iterdir())]:
        name = re.search(r'^name = "(.+)"$', (project / "pyproject.toml").read_text(), re.MULTILINE)
        assert name is not None
        row = rf"^\| `{project.relative_to(ROOT)}/` \| `{name[1]}`.* \|$"
        assert re.search(row, section(readme, "What is there"), re.MULTILINE)


def test_python_blocks_compile(documents: Any) -> None:
    blocks = [(document.name, block) for document in documents for block in document.blocks]
    python = [(name, block) for name, block in blocks if block.language == "python"]
    assert python
    for name, block in python:
        compile("\n" * (block.line - 1) + textwrap.dedent(block.text), name, "exec")  # a method may stand alone
