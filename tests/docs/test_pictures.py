"""Pictures of the documentation: each is shown on a page, fetches nothing, and shows what the code has."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.model.record import Phase
from secnet_testing.documents import ROOT

FOLDER = ROOT / "docs" / "pictures"
PICTURES = sorted(FOLDER.iterdir())
SVG = "{http://www.w3.org/2000/svg}"


def words(name: str) -> set[str]:
    """The texts of a picture."""
    root = ET.parse(FOLDER / name).getroot()
    return {"".join(element.itertext()) for element in root.iter(f"{SVG}text")}


@pytest.mark.parametrize("file", PICTURES, ids=lambda file: file.name)
def test_a_picture_says_in_words_what_it_shows_and_fetches_nothing(file: Path) -> None:
    root = ET.parse(file).getroot()
    assert root.tag == f"{SVG}svg"
    assert root.get("aria-label") or root.find(f"{SVG}title") is not None
    text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|<script|<image|@import|href", text)


def test_each_picture_is_shown_on_a_page_with_words_in_its_place(documents: Any) -> None:
    shown = {
        (document.path.parent / target).resolve(): alternative
        for document in documents
        for alternative, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", document.prose)
    }
    assert set(PICTURES) <= set(shown)
    assert [target.name for target, alternative in shown.items() if len(alternative) < 20] == []


def test_the_phases_are_those_of_the_journal() -> None:
    assert {phase.value for phase in Phase} <= words("phases.svg")
    assert {"Planned", "Attaching", "Attached"} <= words("attach.svg")


def test_the_layers_are_those_that_import_linter_keeps() -> None:
    order = re.search(
        r'^layers = \["secnet.agent", "secnet.ovs", .*\]$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    assert order is not None
    assert set(re.findall(r'"([\w.]+)"', order[0])) <= words("layers.svg")
