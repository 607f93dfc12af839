"""What is found offline: one line for each finding, whatever a document says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from secnet.agent.cluster.kinds import KINDS
from secnet.agent.validate._findings import Document, Finding, Item, guarded, of_document


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (None, ""),
        ([], ""),
        ({"kind": {"a": "b"}, "metadata": {"name": ["x"]}}, ""),
        ({"kind": "Pod", "metadata": None}, "Pod"),
        ({"kind": "Pod", "metadata": {"name": "web"}}, "Pod web"),
    ],
)
def test_a_document_is_called_by_what_it_has_of_a_name(data: Any, name: str) -> None:
    assert of_document(Document(file="a", line=1, data=data), "", "is odd", "").object == name


def test_a_finding_is_one_line() -> None:
    finding = Finding(file="a.yaml", line=3, object="Pod a", message="bad\nb.yaml:1: \x1b[2Jgood", hint="correct it")
    assert str(finding) == "a.yaml:3: Pod a: bad\\nb.yaml:1: \\x1b[2Jgood; correct it"


def test_a_fault_ends_the_checks_of_its_own_object_only() -> None:
    obj = {"kind": "Pod", "metadata": {"name": "web", "namespace": "default"}}
    item = Item(document=Document(file="a.yaml", line=3, data=obj), obj=obj, kinds=KINDS)

    def check() -> Iterator[Finding]:
        yield item.finding("$", "is odd", "")
        raise KeyError("surprise")

    found = list(guarded(item, check()))
    assert [each.message for each in found] == ["is odd", "KeyError: 'surprise'"]
    assert found[1].line == 3
