"""The documents of the project, read once: every Markdown file that git tracks or would track."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from secnet_testing.documents import ROOT, Document, read_document


@pytest.fixture(scope="session")
def documents() -> tuple[Document, ...]:
    """All documents."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / name for name in sorted(done.stdout.split("\0")) if name]
    return tuple(read_document(path) for path in paths if path.is_file())


@pytest.fixture(scope="session")
def readme(documents: tuple[Document, ...]) -> Document:
    """README.md of the root."""
    return next(document for document in documents if document.name == "README.md")


@pytest.fixture(scope="session")
def page(documents: tuple[Document, ...]) -> Callable[[str], Document]:
    """A document by its path below the root."""
    return {document.name: document for document in documents}.__getitem__
