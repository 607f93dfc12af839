"""The words of this repository: nothing points to what its reader does not have."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from secnet_testing.documents import ROOT

# Pointers to papers that are not part of the repository.
_OUTSIDE = re.compile(r"\b[Ii]ssue \d|\b[Hh]ouse[ -](?:[Rr]ule|[Pp]lan)|\bHOUSE-|\blibraries\.md|\bARCHITECTURE\b")


def test_nothing_points_outside_of_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = []
    for name in listed.split("\0"):
        file = ROOT / name
        if not name or file == ROOT / "tests/docs/test_words.py" or not file.is_file():
            continue
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [f"{name}:{number}" for number, line in enumerate(lines, 1) if _OUTSIDE.search(line)]
    assert found == []


# What the field calls: reported or registered, again, no process or user, another owner, third-party, request, repair, garbage
# collection. An old name in the table of CHANGELOG.md is quoted as code.
_DIALECT = re.compile(
    r"\b(?:told|anew|nobody|somebody|anybody|strangers?|lookout|wish(?:es)?|mend(?:s|ed|ing)?|sweeps?)\b", re.IGNORECASE
)


def test_documents_use_the_words_of_the_field(documents: Any) -> None:
    found = [
        f"{document.line_of(hit.start())}: {hit[0]}"
        for document in documents
        for hit in _DIALECT.finditer(re.sub(r"`[^`\n]*`", lambda code: " " * len(code[0]), document.prose))
    ]
    assert found == []


# In names of functions and classes, of tests too: whoever looks for a field's term finds the code.
_NOT_IN_NAMES = frozenset(
    [
        "told",
        "anew",
        "glance",
        "lookout",
        "wish",
        "wishes",
        "stranger",
        "strangers",
        "trouble",
        "troubles",
        "follower",
        "followers",
        "nobody",
        "somebody",
        "element",
        "elements",
        "deviation",
        "deviations",
        "restorations",
        "occasionally",
        "said",
        "heard",
        "mend",
        "mends",
        "mended",
        "sweep",
        "sweeps",
    ]
)


def test_names_in_the_code_use_the_words_of_the_field() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    found = []
    for file in filter(Path.is_file, (ROOT / name for name in listed.split("\0") if name)):
        for name in re.findall(r"\b(?:def|class) (\w+)", file.read_text(encoding="utf-8")):
            words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+", name)}
            found += [f"{file.relative_to(ROOT)}: {name}"] if words & _NOT_IN_NAMES else []
    assert found == []
