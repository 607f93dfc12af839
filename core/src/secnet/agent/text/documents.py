"""YAML or JSON text into plain JSON data, with the line where each document begins.

The text is not trusted to be sane: depth and size are limited before anything is built. A few lines of YAML aliases expand to
gigabytes, ten megabytes of `- a` compose to as much, and deep nesting overflows the stack of the C parser. What YAML can say
and JSON cannot (dates, binary data, keys that are no strings, not-a-number) and what is read differently by different parsers (a
key given twice, integers of more than 64 bits, numbers of base 60, as which `10:20:30` would be read) is refused or taken as a
string, so that it means here what it means to kubectl.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from secnet.contract import InvalidConfig

__all__ = ["Document", "parse_json", "parse_yaml"]

_MAX_DEPTH = 64
_MAX_NODES = 200_000
_MAX_NUMBER = 100  # characters; some forms of YAML take time by the square of their length
_INTEGERS = range(-(2**63), 2**64)
_SHOWN = 80

_SAFE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with libyaml
_NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
_DATE = "tag:yaml.org,2002:timestamp"
# A string of JSON, also one without its end, or what begins one more value.
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{,]', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document, or one item of a `kind: List`; `line` counts from 1."""

    value: Any
    line: int


class _Loader(_SAFE):  # type: ignore[misc]
    """The safe loader without dates and numbers of base 60."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        tag = super().resolve(kind, value, implicit)
        if kind is yaml.ScalarNode and (tag == _DATE or (tag in _NUMBERS and ":" in value)) and implicit[0]:
            return "tag:yaml.org,2002:str"
        return tag


def parse_yaml(text: str) -> list[Document]:
    """All documents of a YAML stream; empty ones are left out. Raises InvalidConfig with the line."""
    try:
        _limit(text)
        return list(_documents(text))
    except yaml.YAMLError as exc:
        raise _broken(exc) from exc


def parse_json(text: str) -> list[Document]:
    """All JSON values of a text, one after the other. Raises InvalidConfig with the line."""
    _limit_json(text)
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
    found: list[Document] = []
    position, counted, line = len(text) - len(text.lstrip()), 0, 1
    while position < len(text):
        line += text.count("\n", counted, position)
        counted = position
        if len(found) > _MAX_NODES:
            raise _too_many(line)
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as exc:
            raise _at(exc.lineno, f"{exc.msg} (column {exc.colno})") from exc
        except RecursionError as exc:
            raise _at(line, "this is nested too deeply") from exc
        except ValueError as exc:
            raise _at(line, str(exc)) from exc
        _check_plain(value, line)
        found.extend(_items(value, [line]))
        while position < len(text) and text[position].isspace():
            position += 1
    return found


def _documents(text: str) -> Iterator[Document]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            _check_node(node)
            try:
                value = loader.construct_document(node)
            except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as exc:
                # Such as !!int with something else behind it, or with nothing.
                raise _at(_line(node), _cut(f"a value is not what its tag says: {exc}")) from exc
            _check_plain(value, _line(node))
            yield from _items(value, _item_lines(node))
    finally:
        loader.dispose()


def _items(value: Any, lines: list[int]) -> Iterator[Document]:
    """The document itself, or the items of a List with their own lines (the document's, where these are not known)."""
    if value is None:
        return
    if not (isinstance(value, dict) and value.get("kind") == "List"):
        yield Document(value=value, line=lines[0])
        return
    items = value.get("items")
    if not isinstance(items, list):
        raise _at(lines[0], "a List has no list of items", hint="give items, or another kind")
    for index, item in enumerate(items):
        yield Document(value=item, line=lines[index + 1] if len(lines) > index + 1 else lines[0])


def _item_lines(node: Any) -> list[int]:
    lines = [_line(node)]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == "items" and isinstance(value, yaml.SequenceNode):
                lines.extend(_line(item) for item in value.value)
    return lines


def _limit(text: str) -> None:
    """Walk through the parser's events, which are made one by one and without recursion, before anything is built of them."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_SAFE):
        if isinstance(event, yaml.NodeEvent):
            nodes += 1
            if nodes > _MAX_NODES:
                raise _too_many(_line(event))
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise _at(_line(event), f"this is nested deeper than {_MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _limit_json(text: str) -> None:
    """The same for JSON, whose parser limits the depth by itself. Most texts are short enough for a look at their signs."""
    if sum(map(text.count, ",[{")) <= _MAX_NODES:
        return
    values = (match for match in _JSON_TOKEN.finditer(text) if match[0][0] != '"')
    for number, match in enumerate(values):
        if number >= _MAX_NODES:
            raise _too_many(text.count("\n", 0, match.start()) + 1)


def _too_many(line: int) -> InvalidConfig:
    return _at(line, f"more than {_MAX_NODES} values in one file", hint="split it into several files")


def _check_node(root: Any) -> None:
    """Refuse keys given twice, numbers that are too long, and aliases that contain themselves, nest too deeply or grow beyond
    the limit."""
    measured: dict[int, tuple[int, int]] = {}
    open_nodes: set[int] = set()

    def measure(node: Any) -> tuple[int, int]:
        """How many values, and how deep, with every alias written out."""
        if id(node) in measured:
            return measured[id(node)]
        if id(node) in open_nodes:
            raise _at(_line(node), "an anchor contains an alias of itself", hint="write the value out")
        open_nodes.add(id(node))
        inner = [measure(child) for child in _children(node)]
        open_nodes.discard(id(node))
        total, depth = 1 + sum(size for size, _ in inner), 1 + max((depth for _, depth in inner), default=0)
        if total > _MAX_NODES:
            raise _at(_line(node), f"its aliases make more than {_MAX_NODES} values of it", hint="write fewer aliases")
        if depth > _MAX_DEPTH + 1:
            raise _at(_line(node), f"its aliases nest deeper than {_MAX_DEPTH} levels", hint="write fewer aliases")
        measured[id(node)] = total, depth
        return total, depth

    measure(root)


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS and len(node.value) > _MAX_NUMBER:
        raise _at(_line(node), f"a number has more than {_MAX_NUMBER} characters", hint="put it in quotes")
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise _at(_line(key), f"the key {_cut(key.value)!r} is given twice", hint="keep one of the two")
                seen.add(key.value)
            yield key
            yield value


def _check_plain(value: Any, line: int, depth: int = 0) -> None:
    """Refuse what JSON cannot say, and what is nested too deeply to be copied."""
    if depth > _MAX_DEPTH:
        raise _at(line, f"this is nested deeper than {_MAX_DEPTH} levels")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise _at(line, f"the key {_cut(repr(key))} is not a string", hint="put it in quotes")
            _check_plain(item, line, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_plain(item, line, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise _at(line, f"{value} is no number in JSON", hint="put it in quotes if a string is meant")
    elif isinstance(value, int) and value not in _INTEGERS:
        raise _at(line, "an integer has more than 64 bits", hint="put it in quotes if text is meant")
    elif not isinstance(value, str | int | float | bool | None):
        raise _at(line, f"a {type(value).__name__} cannot stand in a manifest", hint="write it as a string, in quotes")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {_cut(key)!r} is given twice")
        result[key] = value
    return result


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number in JSON")


def _broken(exc: yaml.YAMLError) -> InvalidConfig:
    mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
    text = getattr(exc, "problem", None) or getattr(exc, "reason", None) or str(exc).partition("\n")[0]
    context = getattr(exc, "context", None)
    if mark is None:
        return InvalidConfig(f"not YAML: {text}", hint="write text, in UTF-8 and without control characters")
    detail = f"not YAML: {text}{f' {context}' if context else ''} (column {mark.column + 1})"
    return _at(mark.line + 1, detail)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


def _at(line: int, message: str, hint: str = "correct the text there") -> InvalidConfig:
    return InvalidConfig(message, hint=hint, path=f"line {line}")
