"""Schema fragments as rows: every nested key is reached, whatever way its schema leads there."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.text.options import options_of


def rows(**schema: Any) -> dict[str, Any]:
    """The rows of a fragment with one key `a` of that schema, by key."""
    return {option.key: option for option in options_of({"type": "object", "properties": {"a": schema}})}


LEAF = {"properties": {"b": {"type": "integer", "description": "B"}}}
NESTED = {
    "object": ({"type": "object", **LEAF}, "a.b"),
    "list": ({"type": "array", "items": {"type": "object", **LEAF}}, "a[].b"),
    "list of lists": ({"type": "array", "items": {"type": "array", "items": LEAF}}, "a[][].b"),
    "any key": ({"type": "object", "additionalProperties": {"type": "object", **LEAF}}, "a.*.b"),
    "choice": ({"oneOf": [{"type": "string"}, {"type": "object", **LEAF}]}, "a.b"),
    "all of": ({"allOf": [{"type": "object", **LEAF}]}, "a.b"),
}


@pytest.mark.parametrize(("schema", "key"), NESTED.values(), ids=NESTED)
def test_nested_keys_are_reached(schema: dict[str, Any], key: str) -> None:
    found = rows(**schema)
    assert list(found) == ["a", key]
    assert (found[key].type, found[key].meaning) == ("integer", "B")


TYPES = {
    "integer, 0 to 7": {"type": "integer", "minimum": 0, "maximum": 7},
    "integer, at least 0": {"type": "integer", "minimum": 0},
    "integer, up to 7": {"type": "integer", "maximum": 7},
    "number, above 0, below 1": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "integer, a multiple of 4": {"type": "integer", "multipleOf": 4},
    "string, not empty": {"type": "string", "minLength": 1},
    "string, up to 15 characters": {"type": "string", "maxLength": 15},
    "list of string, 1 to 4 items": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 4},
    "array": {"type": "array"},
    "list of any": {"type": "array", "items": True},
    '"on" or "off"': {"enum": ["on", "off"]},
    "3": {"const": 3},
    "string or null": {"type": ["string", "null"]},
    "integer or string": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    "any": {},
}


@pytest.mark.parametrize(("words", "schema"), TYPES.items(), ids=TYPES)
def test_types_and_ranges_are_in_words(words: str, schema: dict[str, Any]) -> None:
    assert rows(**schema)["a"].type == words


def test_required_default_example_and_pattern() -> None:
    schema = {
        "properties": {
            "a": {"type": "string", "examples": ["x", "y"], "pattern": "^[a-z]$"},
            "b": {"type": "boolean", "default": False},
            "c": {"default": None, "pattern": "x" * 100},
        },
        "required": ["a"],
    }
    a, b, c = options_of(schema, "ipam.")
    assert (a.key, a.required, a.has_default, a.examples, a.pattern) == ("ipam.a", True, False, ("x", "y"), "^[a-z]$")
    assert (b.required, b.has_default, b.default) == (False, True, False)
    assert (c.has_default, c.default, c.pattern) == (True, None, "")


def test_references_are_followed_but_not_for_ever() -> None:
    tree = {"type": "object", "properties": {"next": {"$ref": "#/$defs/tree"}, "name": {"type": "string"}}}
    fragment = {"properties": {"a": {"$ref": "#/$defs/tree", "description": "own"}}, "$defs": {"tree": tree}}
    found = list(options_of(fragment))
    assert [option.key for option in found] == ["a", "a.next", "a.name"]
    assert found[0].meaning == "own"
    assert [option.key for option in options_of({"properties": {"a": {"$ref": "#/$defs/none"}}})] == ["a"]


def test_a_chain_of_references_that_ends_nowhere() -> None:
    """A choice that refers to itself is valid, and must not be walked for ever."""
    loop = {"anyOf": [{"$ref": "#/$defs/loop"}, {"type": "string"}]}
    (option,) = options_of({"properties": {"a": {"$ref": "#/$defs/loop"}}, "$defs": {"loop": loop}})
    assert option.type.endswith("string")


INTEGER = {"type": "integer", "description": "B"}
REFERENCES = {
    "chain": ("#/$defs/first", {"first": {"$ref": "#/$defs/second"}, "second": {"$ref": "#/$defs/b"}, "b": INTEGER}),
    "anchor": ("#b", {"x": {"oneOf": [{"$anchor": "b", **INTEGER}]}}),
    "slash and tilde": ("#/$defs/a~1b~0c", {"a/b~c": INTEGER}),
    "percent": ("#/$defs/a%20b", {"a b": INTEGER}),
    "list": ("#/$defs/x/oneOf/1", {"x": {"oneOf": [{}, INTEGER]}}),
}


@pytest.mark.parametrize(("ref", "defs"), REFERENCES.values(), ids=REFERENCES)
def test_a_reference_is_followed_to_its_end(ref: str, defs: dict[str, Any]) -> None:
    (option,) = options_of({"properties": {"a": {"$ref": ref}}, "$defs": defs})
    assert (option.type, option.meaning) == ("integer", "B")


@pytest.mark.parametrize("ref", ["#/$defs/a", "#none", "#/$defs/a/oneOf/9", "https://example.com/other"])
def test_a_reference_that_leads_nowhere_leaves_the_key(ref: str) -> None:
    loop = {"$ref": "#/$defs/b", "oneOf": [{}]}
    defs = {"a": loop, "b": {"$ref": "#/$defs/a", "description": "B"}}
    (option,) = options_of({"properties": {"a": {"$ref": ref}}, "$defs": defs})
    assert option.key == "a"
