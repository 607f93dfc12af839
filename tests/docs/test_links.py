"""Links between documents lead to files and headings that exist."""

from __future__ import annotations

import dataclasses
import re
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


def test_a_broken_link_is_found(documents: Any) -> None:
    """The check itself: a wrong file and a wrong heading are seen, right ones are not."""
    (index,) = [document for document in documents if document.name == "docs/README.md"]
    text = "[a](concepts.md#the-data-path) [b](gone.md) [c](concepts.md#gone) [d](https://example.org/gone)"
    page = dataclasses.replace(index, text=text, prose=text)
    assert broken_links(page) == [
        "docs/README.md:1: gone.md: there is no such file",
        "docs/README.md:1: concepts.md#gone: there is no such heading",
    ]


def test_every_page_is_reached_from_the_index(documents: Any) -> None:
    pages = {document.path for document in documents if re.match(r"docs/[\w-]+\.md$", document.name)}
    (index,) = [document for document in documents if document.name == "docs/README.md"]
    linked = {(index.path.parent / hit[1].partition("#")[0]).resolve() for hit in _LINK.finditer(index.prose)}
    assert pages - linked - {index.path} == set()


def test_no_document_names_a_person(documents: Any) -> None:
    """By a mail address; hosts of packages and machine paths are looked for in all files by the workspace's tests."""
    pattern = re.compile(r"[\w.+-]+@[\w-]+\.[a-z]{2,}")
    assert [f"{document.name}: {hit}" for document in documents for hit in pattern.findall(document.text)] == []
