"""Every command line of secnet that a document shows is one that the real parser takes."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cli.program import parser_for

ROOT = Path(__file__).resolve().parents[2]
_SHELL = ("sh", "bash", "console")
_LINE = re.compile(r"^\s*(?:[$#] )?(?:[\w./-]*/)?secnet (.+)$", re.MULTILINE)
_INLINE = re.compile(r"`(?:[\w./-]*/)?secnet ([^`\n]+)`")


def shown(document: Any) -> Iterator[tuple[str, list[str]]]:
    """Place and arguments of each command line. In running text a command's bare name stands for the command."""
    for block in document.blocks:
        if block.language in _SHELL:
            for hit in _LINE.finditer(block.text):
                line = block.line + block.text.count("\n", 0, hit.start(1))
                yield f"{document.name}:{line}", words(hit[1])
    for hit in _INLINE.finditer(document.prose):
        arguments = words(hit[1])
        yield document.line_of(hit.start()), [*arguments, "--help"] if len(arguments) == 1 else arguments


def words(text: str) -> list[str]:
    """The words of one command, without what the shell keeps for itself."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found = list(lexer)
    end = next((at for at, word in enumerate(found) if set(word) <= set("|&;<>()")), len(found))
    return found[:end]


def refusal(arguments: list[str]) -> str | None:
    """What the parser has against a command line; None when it takes it."""
    output = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(output):
        try:
            parser_for(arguments[:1]).parse_args(arguments)
        except SystemExit as exc:
            return output.getvalue().strip().splitlines()[-1] if exc.code else None
    return None


def test_every_command_line_shown_parses(documents: Any) -> None:
    lines = [item for document in documents for item in shown(document)]
    assert len(lines) > 30
    wrong = [f"{place}: secnet {shlex.join(line)}: {why}" for place, line in lines if (why := refusal(line))]
    assert wrong == []


@pytest.mark.parametrize("line", ["aply DIR", "apply", "status --jsn", "get"])
def test_a_wrong_command_line_is_found(line: str) -> None:
    assert refusal(words(line)) is not None


def test_every_command_is_shown_with_its_options(documents: Any) -> None:
    """Each command of the parser stands somewhere outside of the generated reference."""
    used = {line[0] for document in documents if document.name != "docs/cli.md" for _, line in shown(document)}
    actions = parser_for(())._subparsers
    assert actions is not None
    commands = {name for action in actions._group_actions for name in action.choices or ()}
    assert commands - used == set()


def test_every_make_target_shown_exists(documents: Any) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    inline = {name for document in documents for name in re.findall(r"`make ([a-z-]+)", document.prose)}
    lines = {
        name
        for document in documents
        for block in document.blocks
        if block.language in _SHELL
        for name in re.findall(r"^make ([a-z-]+)", block.text, re.MULTILINE)
    }
    assert {"demo", "test"} <= lines
    assert (inline | lines) - targets == set()


def test_every_pytest_line_shown_finds_tests(documents: Any) -> None:
    lines = [
        shlex.split(hit, comments=True)
        for document in documents
        for block in document.blocks
        if block.language in _SHELL
        for hit in re.findall(r"^\S*python -m pytest (.*)$", block.text, re.MULTILINE)
    ]
    assert len(lines) > 3
    for line in lines:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *line, "--collect-only", "-q"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{shlex.join(line)}: {done.stdout[-300:]}"
