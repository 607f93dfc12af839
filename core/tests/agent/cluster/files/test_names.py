"""File names of objects: one for each."""

from __future__ import annotations

import pytest
from secnet.agent.cluster.files._names import file_name, is_old_hash

LONG = "x" * 253


@pytest.mark.parametrize("name", ["web", "web-0.example", "x" * 200])
def test_an_ordinary_name_is_the_files(name: str) -> None:
    assert file_name(name) == name


@pytest.mark.parametrize("name", [LONG, "..", "a/b", "", "UPPER", "~x", "\ud800"])
def test_any_other_is_a_hash_that_no_object_is_named_by(name: str) -> None:
    hashed = file_name(name)
    assert hashed != name
    assert is_old_hash(hashed.removeprefix("~"))
    assert len({hashed, file_name(hashed), file_name(hashed.removeprefix("~"))}) == 3
