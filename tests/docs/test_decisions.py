"""The records of decisions: numbered without a gap, each with its status, which the index repeats."""

from __future__ import annotations

import re
from typing import Any

STATES = {"accepted", "superseded"}


def test_the_index_has_every_record_with_its_title_and_status(documents: Any, page: Any) -> None:
    records = [document for document in documents if re.match(r"docs/decisions/\d{4}-", document.name)]
    rows = []
    for number, record in enumerate(records, 1):
        title = re.match(r"# (\d+)\. (.+)\n\n\*\*Status\.\*\* (\w+)", record.text)
        assert title is not None, f"{record.name} does not begin with its number, title and status"
        assert int(title[1]) == number == int(record.path.name[:4])
        assert title[3].lower() in STATES
        rows.append(f"| {number} | [{title[2]}]({record.path.name}) | {title[3].lower()} |")
    assert len(rows) >= 20
    assert page("docs/decisions/README.md").text.splitlines()[-len(rows) :] == rows


def test_a_superseded_record_links_to_what_replaced_it(documents: Any) -> None:
    superseded = [document for document in documents if "**Status.** Superseded" in document.text]
    assert superseded
    for record in superseded:
        status = record.text.partition("**Status.**")[2].partition("\n\n")[0]
        assert re.search(r"\]\(\d{4}-[\w-]+\.md\)", status), record.name
