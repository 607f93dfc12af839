"""Strict JSON reading, and values and paths in messages."""

from __future__ import annotations

import pytest
from secnet.agent.text.json_text import MOST_LEVELS, JsonProblem, json_path, read_json, show


@pytest.mark.parametrize("text", ["", "{", '{"a": 1, "a": 2}', "NaN", "-Infinity", "[" * 100_000, "1" * 5000])
def test_refused_json(text: str) -> None:
    with pytest.raises(JsonProblem):
        read_json(text)


@pytest.mark.parametrize("levels", [MOST_LEVELS + 1, 600])
def test_nesting_is_refused_with_its_place(levels: int) -> None:
    inner = levels - 1
    with pytest.raises(JsonProblem, match=r"64 levels .* at \$\.bridge\[0\]\[0\]\[0\]\.\.\.$"):
        read_json('{"bridge": ' + "[" * inner + "]" * inner + "}")


@pytest.mark.parametrize("text", [r'{"ippools": ["\ud800"]}', r'{"\uDC00x": 1}', '["\ud800"]'])
def test_half_a_character_is_refused(text: str) -> None:
    with pytest.raises(JsonProblem, match=r"\\u(d800|dc00) alone"):
        read_json(text)
    assert read_json(r'"\ud83d\ude00"') == "\U0001f600"


def test_as_many_levels_as_are_allowed_are_read() -> None:
    assert read_json("[" * MOST_LEVELS + "]" * MOST_LEVELS)


def test_paths() -> None:
    assert json_path([1, "mac"]) == "$[1].mac"
    assert json_path(["default-route", "a/b"]) == "$.default-route['a/b']"


def test_values_in_messages_are_short_and_on_one_line() -> None:
    assert show("a\nb") == '"a\\nb"'
    assert show(list(range(100))).endswith("...")
    assert len(show("x" * 1000)) == 60
    assert show({1, 2}) == "a set"
