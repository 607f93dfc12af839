"""The site that `make site` builds: each page is in the menu, each link leads somewhere, nothing is fetched from elsewhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from secnet_testing.documents import ROOT

_FETCHED = re.compile(r'<(?:link|script|img|iframe|source)\b[^>]*\b(?:href|src)="((?:https?:)?//[^"]*)"')


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--config-file", str(config), "--site-dir", str(site)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT / "mkdocs.yml", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_it_builds_without_a_warning_and_fetches_nothing(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 30
    assert {hit for page in pages for hit in _FETCHED.findall(page.read_text())} == set()
    assert [file.name for file in site.rglob("*.py")] == []


def test_its_search_finds_words_of_the_pages(site: Path) -> None:
    entries = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    for word, page in {
        "gratuitous": "architecture.html",
        "whereabouts": "comparison.html",
        "spoofchk": "sriov.html",
    }.items():
        assert any(word in entry["text"] and entry["location"].startswith(page) for entry in entries), word


def test_every_code_block_of_a_page_is_one_on_the_site(site: Path, documents: Any) -> None:
    """Also those inside of lists, which mkdocs' Markdown would run into the text."""
    compared = 0
    for document in documents:
        path = (
            document.name.removeprefix("docs/") if document.name.startswith("docs/") else f"repository/{document.name}"
        )
        page = site / re.sub(r"(^|/)README\.md$", r"\1index.md", path)
        if (page := page.with_suffix(".html")).is_file():
            assert page.read_text().count("<pre>") >= len(document.blocks), document.name
            compared += len(document.blocks)
    assert compared > 50


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A copy of the set-up with two pages; returns its mkdocs.yml."""
    for name in ("mkdocs.yml", "tools/site_pages.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    config = tmp_path / "mkdocs.yml"
    text = config.read_text()
    menu = "nav:\n  - Home: README.md\n  - Rules: repository/RULES.md\n"
    config.write_text(text[: text.index("\nnav:")] + "\n" + menu)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "README.md").write_text("# Home\n\n[rules](../RULES.md#one), [code](../tools/site_pages.py)\n")
    (tmp_path / "RULES.md").write_text("# Rules\n\n## One\n\n[home](docs/README.md)\n")
    return config


def test_pages_outside_of_docs_are_part_of_it(small: Path) -> None:
    done = build(small, small.parent / "site")
    assert done.returncode == 0, done.stderr
    home = (small.parent / "site" / "index.html").read_text()
    assert 'href="repository/RULES.html#one"' in home
    assert "site_pages.py" not in home  # a source file has no page, so it is named only
    assert 'href="../index.html"' in (small.parent / "site" / "repository" / "RULES.html").read_text()


def test_dead_links_and_orphan_pages_fail_the_build(small: Path) -> None:
    """One build reports them all: a page, a heading, a source file and a picture that are gone, a page in no menu."""
    targets = ("gone.md", "../RULES.md#gone", "../gone.py", "pictures/gone.svg")
    home = small.parent / "docs" / "README.md"
    home.write_text(home.read_text() + "".join(f"\n[gone]({target})\n" for target in targets))
    (small.parent / "docs" / "orphan.md").write_text("# In no menu\n")
    done = build(small, small.parent / "site")
    assert done.returncode != 0
    for complaint in ("gone.md", "#gone", "../gone.py", "pictures/gone.svg", "- orphan.md"):
        assert complaint in done.stderr
    assert "Aborted with 5 warnings in strict mode" in done.stdout + done.stderr
