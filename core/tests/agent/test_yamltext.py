"""Strict YAML and JSON reading."""

from __future__ import annotations

import pytest
from secnet.agent.jsontext import JsonProblem, json_path, read_json, show
from secnet.agent.yamltext import YamlProblem, read_yaml


def test_documents_come_with_their_lines() -> None:
    assert read_yaml("# head\na: 1\n---\n---\n# two\nb: 2\n") == [({"a": 1}, 2), ({"b": 2}, 6)]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a: 1\nb: [", "line 2"),
        ("a: 1\nb:\n  c: 1\n  c: 2", "line 4: the key 'c'"),
        ("a: 2024-13-45", "month"),
        ("a: !!python/object:os.system {}", "line 1"),
        ("? {a: 1}\n: 2", "unhashable"),
        ("a: b: c", "line 1"),
        ("x: *missing", "line 1"),
        ("a: &a [*a]", "aliases"),
        ("[" * 5000, "nest"),
        ("\x00", ""),
        (
            "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + "".join(f"{x}: &{x} [{','.join([f'*{y}'] * 10)}]\n" for x, y in zip("bcdefgh", "abcdefg", strict=True)),
            "aliases",
        ),
    ],
)
def test_refused_yaml(text: str, word: str) -> None:
    with pytest.raises(YamlProblem) as caught:
        read_yaml(text)
    assert word in str(caught.value)


def test_merge_keys_may_repeat() -> None:
    text = "base: &b {x: 1}\nother: &o {y: 2}\nboth: {<<: *b, <<: *o, z: 3}"
    assert read_yaml(text)[0][0]["both"] == {"x": 1, "y": 2, "z": 3}


@pytest.mark.parametrize("text", ["", "{", '{"a": 1, "a": 2}', "NaN", "-Infinity", "[" * 100_000, "1" * 5000])
def test_refused_json(text: str) -> None:
    with pytest.raises(JsonProblem):
        read_json(text)


def test_paths() -> None:
    assert json_path([1, "mac"]) == "$[1].mac"
    assert json_path(["default-route", "a/b"]) == "$.default-route['a/b']"


def test_values_in_messages_are_short_and_on_one_line() -> None:
    assert show("a\nb") == '"a\\nb"'
    assert show(list(range(100))).endswith("...")
    assert len(show("x" * 1000)) == 60
    assert show({1, 2}) == "a set"
