"""The documents of the project as data: prose and code blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Block", "Document", "read_document"]

ROOT = Path(__file__).resolve().parents[3]

_FENCE = re.compile(r"^( *)```(\w*)([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_WORD = re.compile(r'(\w+)(?:="([^"]*)"|=(\S+))?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced code block. `line` is that of its first line in the file, from 1.

    info: what stands behind the language, such as `{"title": "src/driver.py", "append": ""}` for `title="src/driver.py" append`.
    """

    language: str
    text: str
    line: int
    info: dict[str, str]


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


def read_document(path: Path) -> Document:
    """Read one."""
    text = path.read_text(encoding="utf-8")
    blocks = tuple(
        Block(
            language=hit[2],
            text=hit[4],
            line=text.count("\n", 0, hit.start(4)) + 1,
            info={word[1]: word[2] or word[3] or "" for word in _WORD.finditer(hit[3])},
        )
        for hit in _FENCE.finditer(text)
    )
    prose = _FENCE.sub(lambda hit: "".join("\n" if char == "\n" else " " for char in hit[0]), text)
    return Document(path=path, text=text, prose=prose, blocks=blocks)
