"""The keys of a schema fragment as rows for people: `secnet drivers NAME` and docs/generate.py make their tables of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from secnet.contract import thaw

from .json_text import show

__all__ = ["Option", "options_of"]

_MAX_PATTERN = 48
"""A longer one does not help a reader; the description of the key then has to say what is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One key. `key`: a dot leads into an object, `[]` into a list, `.*` to any key. `type` is in words, with the allowed range.

    default: None when there is none (`has_default` is then false). pattern: what a text must match, empty without one.
    """

    key: str
    type: str
    required: bool
    has_default: bool
    default: Any
    meaning: str
    examples: tuple[Any, ...] = ()
    pattern: str = ""


def options_of(
    fragment: Mapping[str, Any], prefix: str = "", *, literal: Callable[[Any], str] = show
) -> Iterator[Option]:
    """Every key of a fragment, nested ones below their parents. literal: how a value is written within the words of a type."""
    schema = thaw(fragment)
    return _Walk(root=schema, literal=literal).inside(schema, prefix, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    root: Mapping[str, Any]
    literal: Callable[[Any], str]

    def inside(self, schema: Mapping[str, Any], prefix: str, above: tuple[str, ...]) -> Iterator[Option]:
        """The keys of an object. above: the references that led here; one that leads to itself is not followed again."""
        required = set(schema.get("required", ()))
        for key, given in schema.get("properties", {}).items():
            item = self._resolved(given)
            yield Option(
                key=f"{prefix}{key}",
                type=self._type(item),
                required=key in required,
                has_default="default" in item,
                default=item.get("default"),
                meaning=item.get("description", ""),
                examples=tuple(item.get("examples", ())),
                pattern=self._pattern(item),
            )
            yield from self._below(given, f"{prefix}{key}", above)

    def _below(self, given: Any, at: str, above: tuple[str, ...]) -> Iterator[Option]:
        """The keys that lie deeper than one key, in whatever way its schema leads there."""
        ref = given.get("$ref", "") if isinstance(given, Mapping) else ""
        if ref and ref in above:
            return
        above = (*above, ref) if ref else above
        schema = self._resolved(given)
        yield from self.inside(schema, f"{at}.", above)
        if "items" in schema:
            yield from self._below(schema["items"], f"{at}[]", above)
        if isinstance(schema.get("additionalProperties"), Mapping):
            yield from self._below(schema["additionalProperties"], f"{at}.*", above)
        for word in ("oneOf", "anyOf", "allOf"):
            for choice in schema.get(word, ()):
                yield from self._below(choice, at, above)

    def _resolved(self, schema: Any) -> Mapping[str, Any]:
        """A schema with its references into the same fragment followed to their end; nothing where there is none to follow."""
        if not isinstance(schema, Mapping):
            return {}  # true and false are schemas too
        own: dict[str, Any] = dict(schema)
        seen: set[str] = set()
        while isinstance(ref := own.pop("$ref", None), str) and ref not in seen:
            seen.add(ref)
            found = self._at(ref)
            own = {**found, **own} if isinstance(found, Mapping) else own
        return own

    def _at(self, ref: str) -> Any:
        """What a reference within the fragment points to: a JSON pointer or an anchor. None if nothing is there."""
        fragment = unquote(ref.removeprefix("#"))
        if fragment and not fragment.startswith("/"):
            return next((item for item in _schemas(self.root) if item.get("$anchor") == fragment), None)
        found: Any = self.root
        for part in fragment.split("/")[1:]:
            word = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and word.isdecimal() and int(word) < len(found):
                found = found[int(word)]
            else:
                found = found.get(word) if isinstance(found, Mapping) else None
        return found

    def _type(self, schema: Mapping[str, Any], depth: int = 0) -> str:
        if "enum" in schema:
            return " or ".join(self.literal(value) for value in schema["enum"])
        if "const" in schema:
            return self.literal(schema["const"])
        for word in ("oneOf", "anyOf"):
            if word in schema and depth < 3:
                return " or ".join(self._type(self._resolved(choice), depth + 1) for choice in schema[word])
        kinds = schema.get("type", "any")
        text = kinds if isinstance(kinds, str) else " or ".join(kinds)
        if text == "array" and "items" in schema and depth < 3:
            text = f"list of {self._type(self._resolved(schema['items']), depth + 1)}"
        return text + _limits(schema)

    def _pattern(self, schema: Mapping[str, Any]) -> str:
        pattern = str(schema.get("pattern", ""))
        return pattern if len(pattern) <= _MAX_PATTERN else ""


def _schemas(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every object within a fragment, itself first."""
    if isinstance(value, Mapping):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _schemas(item)


def _limits(schema: Mapping[str, Any]) -> str:
    """The allowed range of numbers, of lengths or of counts, in words."""
    unit = " items" if "maxItems" in schema or "minItems" in schema else ""
    unit = " characters" if "maxLength" in schema or "minLength" in schema else unit
    low = schema.get("minimum", schema.get("minItems", schema.get("minLength")))
    high = schema.get("maximum", schema.get("maxItems", schema.get("maxLength")))
    words = []
    if "exclusiveMinimum" in schema:
        words.append(f"above {schema['exclusiveMinimum']}")
    if "exclusiveMaximum" in schema:
        words.append(f"below {schema['exclusiveMaximum']}")
    if low is not None and high is not None:
        words.append(f"{low} to {high}{unit}")
    elif high is not None:
        words.append(f"up to {high}{unit}")
    elif low == 1 and unit:
        words.append("not empty")
    elif low is not None and (low != 0 or not unit):
        words.append(f"at least {low}{unit}")
    if "multipleOf" in schema:
        words.append(f"a multiple of {schema['multipleOf']}")
    return "".join(f", {word}" for word in words)
