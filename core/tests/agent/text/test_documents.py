"""Text into plain data: lines, and everything that YAML can say and a manifest must not."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from secnet.agent.text.documents import parse_json, parse_yaml
from secnet.contract import InvalidConfig


def _pairs(documents: list[Any]) -> list[tuple[Any, int]]:
    return [(document.value, document.line) for document in documents]


def test_documents_have_lines() -> None:
    text = "# first\n---\na: 1\n---\n# nothing\n---\n\nb:\n- 2\n"
    assert _pairs(parse_yaml(text)) == [({"a": 1}, 3), ({"b": [2]}, 8)]


def test_nothing_is_no_document() -> None:
    for text in ("", "\n", "# only this\n", "---\n", "---\n---\n", "null\n"):
        assert parse_yaml(text) == []
    assert parse_json(" \n") == []


def test_items_of_a_list_have_their_own_lines() -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- a: 1\n-\n  b: 2\n---\nc: 3\n"
    assert _pairs(parse_yaml(text)) == [({"a": 1}, 4), ({"b": 2}, 6), ({"c": 3}, 8)]
    assert _pairs(parse_yaml("kind: List\nitems: []\n")) == []
    assert _pairs(parse_json('\n{"kind": "List", "items": [{"a": 1}, {"b": 2}]}')) == [({"a": 1}, 2), ({"b": 2}, 2)]


def test_several_json_values() -> None:
    assert _pairs(parse_json('{"a": 1}\n\n {"b":\n 2} [3]')) == [({"a": 1}, 1), ({"b": 2}, 3), ([3], 4)]


def test_merge_keys_and_aliases_are_written_out() -> None:
    text = "base: &b {x: 1, y: 2}\nmore: {<<: *b, y: 3}\nsame: *b\n"
    (document,) = parse_yaml(text)
    assert document.value == {"base": {"x": 1, "y": 2}, "more": {"x": 1, "y": 3}, "same": {"x": 1, "y": 2}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-01-31", "2024-01-31"),
        ("2024-01-31T10:00:00Z", "2024-01-31T10:00:00Z"),
        ("10:11:22:33:44:55", "10:11:22:33:44:55"),
        ("1:30.5", "1:30.5"),
        ("fd00::1", "fd00::1"),
        ("100", 100),
        ("-1.5", -1.5),
        ("true", True),
        ("'100'", "100"),
    ],
)
def test_scalars(text: str, value: Any) -> None:
    (document,) = parse_yaml(f"a: {text}\n")
    assert document.value == {"a": value}
    assert type(document.value["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: [1\nc: 2\n", 3, "expected"),
        ("a: 1\n b: 2\n", 2, "not YAML"),
        ("a: 1\n\tb: 2\n", 2, "not YAML"),
        ("a: 'open\n", 2, "not YAML"),
        ("a: 1\nb: *nothing\n", 2, "undefined alias"),
        ("a: 1\nb: 2\na: 3\n", 3, "'a' is given twice"),
        ("x:\n- a: 1\n  a: 2\n", 3, "'a' is given twice"),
        ("---\na: 1\n---\n1: x\n", 4, "key 1 is not a string"),
        ("a: .nan\n", 1, "no number in JSON"),
        ("a: -.inf\n", 1, "no number in JSON"),
        ("a: !!binary aGFsbG8=\n", 1, "a bytes"),
        ("a: !!set {x, y}\n", 1, "a set"),
        ("a: !!timestamp 2024-01-31\n", 1, "a date"),
        ("a: 1\nb: !!python/object/apply:os.system [true]\n", 2, "python/object"),
        ("a: !!int x\n", 1, "invalid literal"),
        ("a: !!int ''\n", 1, "not what its tag says"),
        ("a: !!float ''\n", 1, "not what its tag says"),
        ("a: !!bool perhaps\n", 1, "not what its tag says"),
        ("a: !!timestamp later\n", 1, "not what its tag says"),
        ("a: 1\nb: !!int " + "1" * 5000 + "\n", 2, "more than 100 characters"),
        ("a: 1\nb: 0x" + "f" * 5000 + "\n", 2, "more than 100 characters"),
        ("a: 1\nb: 0b" + "1" * 5000 + "\n", 2, "more than 100 characters"),
        ("a: 1\nb: 0" + "7" * 5000 + "\n", 2, "more than 100 characters"),
        ("a: 1\nb: !!int " + "59:" * 1_000_000 + "59\n", 2, "more than 100 characters"),
        ("a: 1\n? 0x" + "f" * 5000 + "\n: b\n", 2, "more than 100 characters"),
        ("a: 0x1ffffffffffffffff\n", 1, "more than 64 bits"),
        ("a: -9223372036854775809\n", 1, "more than 64 bits"),
        ("a: {b: 1, " + "k" * 900 + ": 1, " + "k" * 900 + ": 1}\n", 1, "is given twice"),
        ("? [a, b]\n: 1\n", 1, "unhashable"),
        ("a: &a [*a]\n", 1, "alias of itself"),
        ("kind: List\nitems: {}\n", 1, "no list of items"),
        ("\n" + "[" * 100 + "]" * 100, 2, "nested deeper"),
        ("\n" + "- " * 100 + "x", 2, "nested deeper"),
    ],
)
def test_broken_yaml_names_the_line(text: str, line: int, message: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse_yaml(text)
    assert caught.value.path == f"line {line}"
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{"a": 1,\n "b": }', 2, "Expecting value"),
        ('{"a": 1}\n{"a"', 2, "Expecting"),
        ('\n{"a": 1, "a": 2}', 2, "given twice"),
        ('{"a": NaN}', 1, "no number in JSON"),
        ("[" * 100_000, 1, "nested too deeply"),
        ("[" * 100 + "]" * 100, 1, "nested deeper"),
        ('{"a": ' + "1" * 5000 + "}", 1, "4300"),
        ('\n{"a": 18446744073709551616}', 2, "more than 64 bits"),
        ('{"a": 1}\nabc', 2, "Expecting value"),
    ],
)
def test_broken_json_names_the_line(text: str, line: int, message: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse_json(text)
    assert caught.value.path == f"line {line}"
    assert message in caught.value.message


@pytest.mark.parametrize(
    "text",
    ["- a\n" * 2_500_000, "[" + "a," * 5_000_000 + "]", "---\n" * 2_500_000, "a: &a x\nb: [" + "*a," * 3_000_000 + "]"],
    ids=["block", "flow", "documents", "aliases"],
)
def test_ten_megabytes_of_values_are_refused_before_they_are_built(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(self: Any) -> Any:
        raise AssertionError("something is built of it")

    # Building it takes gigabytes where it is not refused.
    monkeypatch.setattr(yaml.CSafeLoader, "get_node", build)
    with pytest.raises(InvalidConfig, match="more than 200000 values"):
        parse_yaml(text)


@pytest.mark.parametrize(
    "text", ["[" + "1," * 5_000_000 + "1]", "[]" * 2_500_000, "1 " * 2_500_000, r'"\\"' * 1_000_000 + "," * 200_001]
)
def test_megabytes_of_json_values_are_refused(text: str) -> None:
    with pytest.raises(InvalidConfig, match="more than 200000 values"):
        parse_json(text)


def test_a_long_text_within_json_is_no_number_of_values() -> None:
    config = json.dumps([{"name": "blue"}] * 100_000)
    (document,) = parse_json(json.dumps({"config": config}))
    assert document.value == {"config": config}


def test_an_alias_bomb_is_refused_before_it_goes_off() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(InvalidConfig, match="aliases make more than"):
        parse_yaml("\n".join(lines))


def test_a_bomb_of_merge_keys_is_refused() -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}], y{n}: 1}}" for n in range(1, 12)]
    with pytest.raises(InvalidConfig, match="aliases make more than"):
        parse_yaml("\n".join(lines))


def test_a_chain_of_aliases_is_refused_before_anything_recurses() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 5000)]
    with pytest.raises(InvalidConfig, match="nest deeper"):
        parse_yaml("\n".join(lines))


def test_nesting_that_overflows_the_c_parser_is_refused() -> None:
    """Nested this deeply, composing with libyaml ends the process."""
    for text in ("[" * 1_000_000, "- " * 1_000_000, "{a: " * 1_000_000):
        with pytest.raises(InvalidConfig, match="nested deeper"):
            parse_yaml(text)


def test_control_characters_are_refused() -> None:
    with pytest.raises(InvalidConfig, match="not YAML") as caught:
        parse_yaml("a: \x01\n")
    assert caught.value.hint


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), _JSON, min_size=1), min_size=1, max_size=3))
def test_what_json_can_say_is_read_as_written(values: list[Any]) -> None:
    assert [d.value for d in parse_json("\n".join(json.dumps(value) for value in values))] == values
    assert [d.value for d in parse_yaml(yaml.safe_dump_all(values))] == values


@given(st.text() | st.text(alphabet="{}[]&*!?:-,<#|> \n\t'\"ab1."))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_yaml, parse_json):
        with suppress(InvalidConfig):
            json.dumps([document.value for document in parse(text)], allow_nan=False)
