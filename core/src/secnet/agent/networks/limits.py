"""Whether what a Pod or a network asks for is within the limits of the node."""

from __future__ import annotations

from typing import Any

__all__ = ["how_to_raise", "too_many_bytes", "too_many_items"]

JsonPath = tuple[str | int, ...]


def how_to_raise(setting: str, instead: str) -> str:
    """What to do about a refusal: `instead`, or another setting."""
    return f"{instead}, or have an administrator raise limits.{setting} of the node configuration"


def too_many_bytes(text: str, most: int) -> bool:
    """Whether the text is longer in UTF-8. Costs little, however long it is."""
    return len(text) > most or len(text[: most + 1].encode("utf-8", "surrogatepass")) > most


def too_many_items(data: Any, most: int) -> tuple[JsonPath, int] | None:
    """The path to the first list or object with more items, and how many it has; None if there is none.

    data: JSON data whose depth was checked before.
    """
    left: list[tuple[Any, JsonPath]] = [(data, ())]
    while left:
        value, path = left.pop()
        if not isinstance(value, dict | list):
            continue
        if len(value) > most:
            return path, len(value)
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        left.extend((item, (*path, key)) for key, item in pairs if isinstance(item, dict | list))
    return None
