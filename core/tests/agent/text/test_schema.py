"""Messages of schema validation, and the two habits of jsonschema that are changed."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.text.schema import InvalidSchema, Problem, Validator
from secnet.contract import freeze


def problems(schema: dict[str, Any], value: Any) -> list[Problem]:
    return Validator({"properties": {"a": schema}}, "driver x").problems({"a": value})


@pytest.mark.parametrize("value", [100.0, True, "100", None])
def test_only_integers_are_integers(value: Any) -> None:
    (problem,) = problems({"type": "integer"}, value)
    assert problem.path == "$.a"
    assert "driver x" in problem.message
    assert not problems({"type": "integer"}, 100)


@pytest.mark.parametrize("pattern", ["^[a-z]+$", "^([a-z]+|x)$", r"^[a-z$]+$", r"^[]a-z]+$"])
def test_the_end_of_a_pattern_is_the_very_end(pattern: str) -> None:
    assert not problems({"pattern": pattern}, "abc")
    assert problems({"pattern": pattern}, "abc\n")


def test_a_dollar_that_is_no_anchor_stays() -> None:
    assert not problems({"pattern": r"^a\$[$]$"}, "a$$")
    assert problems({"pattern": r"^a\$[$]$"}, "a$")


def test_a_property_named_pattern_and_literals_stay() -> None:
    schema = {"properties": {"pattern": {"enum": ["x$"]}}, "additionalProperties": False}
    assert not Validator(schema, "x").problems({"pattern": "x$"})


@pytest.mark.parametrize(
    ("schema", "value", "message", "hint"),
    [
        ({"enum": ["access", "trunk"]}, "acces", '"acces" is not one of "access", "trunk"', 'did you mean "access"?'),
        ({"enum": ["access"]}, "zzz", '"zzz" is not one of "access"', "write one of these"),
        ({"const": 1}, 2, "2 where only 1 is accepted", "write 1"),
        ({"minimum": 1, "maximum": 9}, 10, "10 is out of range", "it must be at least 1 and at most 9"),
        ({"type": "array"}, "x", '"x" where a list is required', "put the value into a list: [...]"),
        ({"type": "boolean"}, "True", '"True" where true or false is required', "write true without quotes"),
        ({"type": "string"}, 5, "5 where a string is required", 'put it in quotes: "5"'),
        (
            {"maxItems": 1, "description": "One.", "examples": [[1]]},
            [1, 2],
            "[1, 2] is too long",
            "One, for example [1]",
        ),
        (
            {"format": "ipv4", "examples": ["10.0.0.1"]},
            "x",
            '"x" does not have the required form',
            'for example "10.0.0.1"',
        ),
    ],
)
def test_words(schema: dict[str, Any], value: Any, message: str, hint: str) -> None:
    assert problems(schema, value) == [Problem(path="$.a", message=f"{message} (driver x)", hint=hint)]


def test_each_unknown_key_is_shown_with_the_nearest_known() -> None:
    schema = {"properties": {"vlan": {}, "bridge": {}}, "additionalProperties": False}
    found = Validator(schema, "driver x").problems({"vlna": 1, "zzz": 2}, prefix=("ipam", 0))
    assert [(item.path, item.hint) for item in found] == [
        ("$.ipam[0].vlna", "did you mean 'vlan'?"),
        ("$.ipam[0].zzz", "known are: bridge, vlan"),
    ]


def test_of_thousands_of_problems_a_few_are_explained() -> None:
    schema = {"properties": {"vlan": {}}, "additionalProperties": False}
    found = Validator(schema, "driver x").problems({f"key{number}": 1 for number in range(5000)})
    assert len(found) == 50
    assert found[0].path == "$.key0"


def test_of_alternatives_the_nearest_is_explained() -> None:
    pair = {"type": "object", "required": ["minID", "maxID"], "properties": {"minID": {}, "maxID": {}}}
    schema = {"type": "array", "items": {"oneOf": [{"type": "integer"}, pair]}}
    (problem,) = problems(schema, [5, {"minID": 1}])
    assert problem.path == "$.a[1].maxID"
    assert "missing" in problem.message


def test_frozen_data_is_data() -> None:
    assert not problems({"type": "array", "items": {"type": "object"}}, freeze([{}]))


@pytest.mark.parametrize("schema", [{"type": "objekt"}, {"minimum": "1"}, {"properties": 5}])
def test_a_schema_that_is_none(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidSchema, match="draft 2020-12"):
        Validator(schema, "x")


def test_a_reference_that_leads_nowhere() -> None:
    with pytest.raises(InvalidSchema, match="none"):
        problems({"$ref": "#/$defs/none"}, 1)
