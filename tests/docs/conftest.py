"""The documents of the project, read once: every Markdown file that git tracks or would track."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced code block. `line` is that of its first line in the file, from 1."""

    language: str
    text: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A Markdown file. `prose` is its text with the lines of all code blocks emptied."""

    path: Path
    text: str
    prose: str
    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        """The path below the root."""
        return str(self.path.relative_to(ROOT))

    def line_of(self, offset: int) -> str:
        """`FILE:LINE` of an offset in text or prose, for messages."""
        return f"{self.name}:{self.text.count(chr(10), 0, offset) + 1}"


def _read(path: Path) -> Document:
    text = path.read_text(encoding="utf-8")
    blocks = tuple(
        Block(language=hit[2], text=hit[3], line=text.count("\n", 0, hit.start(3)) + 1) for hit in _FENCE.finditer(text)
    )
    prose = _FENCE.sub(lambda hit: "".join("\n" if char == "\n" else " " for char in hit[0]), text)
    return Document(path=path, text=text, prose=prose, blocks=blocks)


@pytest.fixture(scope="session")
def documents() -> tuple[Document, ...]:
    """All documents."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / name for name in sorted(done.stdout.split("\0")) if name]
    return tuple(_read(path) for path in paths if path.is_file())


@pytest.fixture(scope="session")
def readme(documents: tuple[Document, ...]) -> Document:
    """README.md of the root."""
    return next(document for document in documents if document.name == "README.md")
