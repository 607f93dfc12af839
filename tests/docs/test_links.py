"""Links between documents lead to files and headings that exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def anchors(prose: str) -> set[str]:
    """Anchors of the headings, as the usual Markdown viewers name them."""
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in _HEADING.findall(prose))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def broken_links(document: Any) -> list[str]:
    """The links of a document that lead nowhere."""
    found = []
    for hit in _LINK.finditer(document.prose):
        target, _, anchor = hit[1].partition("#")
        if re.match(r"[a-z]+:", target):
            continue  # another place: nothing is fetched in a test
        file = (document.path.parent / target).resolve() if target else document.path
        if not file.exists():
            found.append(f"{document.line_of(hit.start())}: {hit[1]}: there is no such file")
        elif anchor and anchor not in anchors(file.read_text(encoding="utf-8")):
            found.append(f"{document.line_of(hit.start())}: {hit[1]}: there is no such heading")
    return found


def test_links_between_documents_resolve(documents: Any) -> None:
    assert [line for document in documents for line in broken_links(document)] == []


def test_a_broken_link_is_found(documents: Any, tmp_path: Path) -> None:
    """The check itself: a wrong file and a wrong heading are seen, a right one is not."""
    page = tmp_path / "page.md"
    page.write_text("# One heading\n\n[a](page.md#one-heading) [b](gone.md) [c](#another)\n")
    sample = type(documents[0])(path=page, text=page.read_text(), prose=page.read_text(), blocks=())
    sample_lines = [re.sub(r"^.*?: ", "", line) for line in _broken_outside(sample)]
    assert sample_lines == ["gone.md: there is no such file", "#another: there is no such heading"]


def _broken_outside(document: Any) -> list[str]:
    """As `broken_links`, for a page that does not lie below the root and so has no name there."""

    class Named:
        path, prose = document.path, document.prose

        @staticmethod
        def line_of(offset: int) -> str:
            return f"page:{document.text.count(chr(10), 0, offset) + 1}"

    return broken_links(Named)


def test_every_page_is_reached_from_the_index(documents: Any) -> None:
    pages = {document.path for document in documents if re.match(r"docs/[\w-]+\.md$", document.name)}
    (index,) = [document for document in documents if document.name == "docs/README.md"]
    linked = {(index.path.parent / hit[1].partition("#")[0]).resolve() for hit in _LINK.finditer(index.prose)}
    assert pages - linked - {index.path} == set()


def test_no_document_names_a_person_or_a_machine(documents: Any) -> None:
    """Mail addresses and machine paths; hosts of packages are looked for over all files by the workspace's tests."""
    author = subprocess.run(["git", "log", "-1", "--format=%an"], capture_output=True, text=True, check=True)
    name = author.stdout.strip()
    pattern = re.compile(r"[\w.+-]+@[\w-]+\.[a-z]{2,}")
    found = [f"{document.name}: {hit}" for document in documents for hit in pattern.findall(document.text)]
    assert found == []
    assert [document.name for document in documents if len(name) > 3 and f" {name} " in document.prose] == []
