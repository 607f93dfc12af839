"""JSON schema with messages for people: who owns the keys, where, what is wrong, what to write instead.

jsonschema does the checking; each schema is compiled once and kept. Two of its habits are changed, because the values reach
sysfs, OVSDB and netlink: `100.0` is no integer, and `$` in a pattern does not let a trailing newline pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match, relevance
from jsonschema.validators import extend
from referencing.exceptions import Unresolvable

from secnet.contract import thaw

from .json_text import json_path, nearest, show, suggest

__all__ = ["InvalidSchema", "Problem", "Validator"]

_MOST = 50  # to explain one takes time, and thousands of them are of no use
_LITERAL_KEYWORDS = ("const", "enum", "default", "examples")
_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}

_Strict = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int),
)


class InvalidSchema(ValueError):
    """A schema that is no valid draft 2020-12, or refers to something that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a document: path, what is wrong, what to do."""

    path: str
    message: str
    hint: str


class Validator:
    """A compiled schema. `owner` is who the keys belong to, in words: `driver vlan`. Raises InvalidSchema for a bad schema.

    checked: it was checked already, as a part of another one perhaps. To check one takes longer than to use it once.
    """

    def __init__(self, schema: Mapping[str, Any], owner: str, *, checked: bool = False) -> None:
        self.schema = _anchored(thaw(schema))
        self.owner = owner
        try:
            if not checked:
                Draft202012Validator.check_schema(self.schema)
        except SchemaError as exc:
            raise InvalidSchema(f"not a valid draft 2020-12 schema: {exc.json_path}: {exc.message}") from exc
        self._compiled = _Strict(self.schema, format_checker=Draft202012Validator.FORMAT_CHECKER)

    def problems(
        self, data: Any, *, prefix: Sequence[str | int] = (), hints: Mapping[str, str] | None = None
    ) -> list[Problem]:
        """What is wrong with `data`, the most telling first, and at most `_MOST` things; empty when it is valid.

        prefix: where `data` stands in its document. hints: what to say about unknown keys that are known elsewhere.
        """
        try:
            errors = sorted(self._compiled.iter_errors(thaw(data)), key=relevance, reverse=True)
        except Unresolvable as exc:
            raise InvalidSchema(f"the schema refers to {exc.ref!r}, which is not in it") from exc
        found = (problem for error in errors for problem in self._explain(best_match([error]), prefix, hints or {}))
        return list(islice(found, _MOST))

    def _explain(self, error: Any, prefix: Sequence[str | int], hints: Mapping[str, str]) -> Iterator[Problem]:
        parts = (*prefix, *error.absolute_path)
        if error.validator == "additionalProperties":
            known = [str(key) for key in error.schema.get("properties", {})]
            for key in error.instance:
                if key not in known:
                    message = f"unknown key {show(key)} ({self.owner})"
                    yield Problem(
                        path=json_path((*parts, key)), message=message, hint=hints.get(key) or suggest(key, known)
                    )
            return
        message, hint = _words(error)
        if error.validator == "required":
            parts = (*parts, _missing(error))
        yield Problem(path=json_path(parts), message=f"{message} ({self.owner})", hint=hint)


def _anchored(schema: Any) -> Any:
    """The schema with `$` in patterns made to mean the very end, as in the dialect's own regular expressions."""
    if isinstance(schema, list):
        return [_anchored(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _LITERAL_KEYWORDS:
            result[key] = value
        elif key == "pattern" and isinstance(value, str):
            result[key] = _very_end(value)
        elif key == "patternProperties" and isinstance(value, dict):
            result[key] = {_very_end(pattern): _anchored(item) for pattern, item in value.items()}
        else:
            result[key] = _anchored(value)
    return result


def _very_end(pattern: str) -> str:
    """Replace `$` by `\\Z`, but neither an escaped one nor one in a character class."""
    tokens = re.findall(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", pattern, re.DOTALL)
    return "".join(r"\Z" if token == "$" else token for token in tokens)


def _missing(error: Any) -> str:
    """The first required key that is not there; jsonschema reports one error for each, all with the same data."""
    match = re.match(r"'(.*)' is a required property", error.message)
    return match.group(1) if match else ""


def _words(error: Any) -> tuple[str, str]:
    """What is wrong and what to do, by the keyword that failed."""
    value, limit = error.instance, error.validator_value
    hint = _hint(error.schema)
    match error.validator:
        case "required":
            key = _missing(error)
            return f"the key {key} is missing", _hint(error.schema.get("properties", {}).get(key, {})) or f"add {key}"
        case "type":
            wanted = _type_words(limit)
            return f"{show(value)} where {wanted} is required", _type_hint(value, wanted) or hint
        case "enum":
            close = nearest(value, [str(item) for item in limit])
            choices = ", ".join(show(item) for item in limit)
            return (
                f"{show(value)} is not one of {choices}",
                f"did you mean {show(close)}?" if close else "write one of these",
            )
        case "const":
            return f"{show(value)} where only {show(limit)} is accepted", f"write {show(limit)}"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            return f"{show(value)} is out of range", _range_words(error.schema) or hint
        case "pattern" | "format":
            return f"{show(value)} does not have the required form", hint
        case "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties":
            return f"{show(value)} is too {'short' if error.validator.startswith('min') else 'long'}", hint
        case "uniqueItems":
            return f"{show(value)} holds something twice", "name each once"
    return error.message, hint


def _hint(schema: Any) -> str:
    """The documentation of the key and its first example, as every fragment must have them."""
    if not isinstance(schema, Mapping):
        return ""
    words = str(schema.get("description", "")).rstrip(".")
    examples = schema.get("examples")
    example = f"for example {show(examples[0])}" if examples else ""
    return ", ".join(part for part in (words, example) if part)


def _type_words(types: str | Iterable[str]) -> str:
    names = [types] if isinstance(types, str) else list(types)
    return " or ".join(_TYPES.get(name, name) for name in names)


def _type_hint(value: Any, wanted: str) -> str:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value) and "integer" in wanted:
        return f"write {value} without quotes"
    if isinstance(value, str) and value.lower() in ("true", "false") and "true or false" in wanted:
        return f"write {value.lower()} without quotes"
    if isinstance(value, float) and value.is_integer() and "integer" in wanted:
        return f"write {int(value)}"
    if not isinstance(value, list) and wanted == "a list":
        return "put the value into a list: [...]"
    if isinstance(value, int | float) and wanted == "a string":
        return f'put it in quotes: "{value}"'
    return ""


def _range_words(schema: Any) -> str:
    words = {
        "minimum": "at least {}",
        "exclusiveMinimum": "more than {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "less than {}",
    }
    limits = [text.format(schema[key]) for key, text in words.items() if isinstance(schema, Mapping) and key in schema]
    return f"it must be {' and '.join(limits)}" if limits else ""
