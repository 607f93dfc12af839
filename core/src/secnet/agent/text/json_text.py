"""JSON as people write it: strict reading with positions, paths into it, and words about it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["MOST_LEVELS", "JsonProblem", "json_path", "nearest", "read_json", "show", "suggest", "too_deep"]

MOST_LEVELS = 64
"""Lists and objects within each other: more than any object needs, and far less than what recursive code can take."""

_SHOWN = 60
_SHOWN_PARTS = 4
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class JsonProblem(ValueError):
    """A text that is no acceptable JSON; the message holds line and column where they are known."""


def read_json(text: str) -> Any:
    """Parse JSON of at most MOST_LEVELS, without what Python lets pass. Raises JsonProblem.

    That is: a key given twice, NaN and Infinity, and half of a surrogate pair, which no file and no request can hold.
    """
    try:
        data = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except JsonProblem:
        raise
    except json.JSONDecodeError as exc:
        raise JsonProblem(f"line {exc.lineno}, column {exc.colno}: {exc.msg[:1].lower()}{exc.msg[1:]}") from exc
    except (ValueError, RecursionError) as exc:  # a number of thousands of digits; lists within lists without end
        raise JsonProblem("a number is too long or the nesting too deep") from exc
    path = too_deep(data)
    if path is not None:
        raise JsonProblem(f"more than {MOST_LEVELS} levels of lists and objects at {path}")
    _only_characters(data)
    return data


def _only_characters(data: Any) -> None:
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError as exc:
        raise JsonProblem(f"\\u{ord(exc.object[exc.start]):04x} alone is half of a character") from exc


def too_deep(data: Any) -> str | None:
    """Where data has more than MOST_LEVELS, as the beginning of the path there; None where it has not."""
    left: list[tuple[Any, tuple[str | int, ...], int]] = [(data, (), 1)]
    while left:  # not recursive, as that is what it guards against
        value, path, level = left.pop()
        if not isinstance(value, dict | list):
            continue
        if level > MOST_LEVELS:
            return f"{json_path(path)}..."
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        left.extend((item, (*path, key) if level <= _SHOWN_PARTS else path, level + 1) for key, item in pairs)
    return None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise JsonProblem(f"the key {show(key)} is given twice in one object")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise JsonProblem(f"{name} is not a JSON number")


def json_path(parts: Iterable[str | int]) -> str:
    """A path for people: `json_path([1, "mac"])` is `$[1].mac`."""
    text = "$"
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(str(part)):
            text += f".{part}"
        else:
            text += f"[{str(part)!r}]"
    return text


def show(value: Any) -> str:
    """The value as JSON for a message, on one line and cut where it gets long."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):  # YAML knows dates, and objects that contain themselves
        text = f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def nearest(word: object, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be, whatever its case; None when nothing comes near."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(str(word).lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def suggest(word: object, known: Sequence[str]) -> str:
    """A hint for an unknown word: the nearest known one, or all of them."""
    match = nearest(word, known)
    if match is not None:
        return f"did you mean {match!r}?"
    return f"known are: {', '.join(sorted(known))}" if known else "nothing is accepted here"
