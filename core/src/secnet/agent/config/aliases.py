"""Other places in the node configuration for keys of a driver's section, as `DriverInfo.node_aliases` declares them.

The core knows no such key by itself: the schema of the file, the section that a driver gets and the places in messages follow
from the installed drivers. A key of the core's own schema is never an alias.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from secnet.contract import thaw

from ..plugins.registry import Registry
from ..text.json_text import json_path
from ..text.schema import Problem

__all__ = ["Aliases", "Place"]

Place = tuple[str, ...]
"""The keys that lead to a setting, from the top of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alias:
    """A key of the section of a network type, and where else it may stand."""

    place: Place
    network_type: str
    key: str

    @property
    def canonical(self) -> Place:
        return ("drivers", self.network_type, self.key)


class Aliases:
    """The aliases of the usable drivers. core: the schema of the core's own keys."""

    def __init__(self, registry: Registry, core: Mapping[str, Any]) -> None:
        self._registry = registry
        self._core = core
        self._by_place: defaultdict[Place, list[_Alias]] = defaultdict(list)
        for network_type, plugin in sorted(registry.drivers.items()):
            for path, key in plugin.info.node_aliases.items():
                place = tuple(path.split("."))
                if place[0] not in core["properties"]:
                    self._by_place[place].append(_Alias(place=place, network_type=network_type, key=key))

    def schema(self) -> dict[str, Any]:
        """The schema of the whole file. What stands at an alias is checked by the driver, in its section."""
        whole: dict[str, Any] = thaw(self._core)
        for place, claims in self._by_place.items():
            alias = claims[0]
            given = thaw(self._registry.drivers[alias.network_type].info.node)["properties"][alias.key]
            leaf: Any = {
                "title": given["title"],
                "description": f"The same as {'.'.join(alias.canonical)}",
                "examples": given["examples"],
            }
            inside = whole["properties"]
            for at, key in enumerate(place[:-1]):
                rest = ".".join(place[at + 1 :])
                section = inside.setdefault(
                    key,
                    {
                        "title": f"Section {key}",
                        "description": "Another place for keys of drivers",
                        "examples": [_nested(tuple(rest.split(".")), given["examples"][0])],
                        "type": "object",
                        "properties": {},
                        "additionalProperties": False,
                    },
                )
                inside = section["properties"]
            inside[place[-1]] = leaf
        return whole

    def problems(self, data: Mapping[str, Any]) -> Iterator[Problem]:
        """What is given in two places, or at one that two drivers claim."""
        first: dict[Place, Place] = {}
        for place, claims in self._by_place.items():
            if _value(data, place) is None:
                continue
            if len(claims) > 1:
                both = " and ".join(json_path(alias.canonical) for alias in claims)
                yield Problem(path=json_path(place), message=f"it may mean {both}", hint="write the one that is meant")
            for alias in claims:
                yield from _given_twice(first, alias.canonical, place)
        for canonical in list(first):
            if _value(data, canonical) is not None:
                yield from _given_twice(first, canonical, canonical)

    def moves(self, lower: Mapping[str, Any], higher: Mapping[str, Any]) -> Iterator[tuple[Place, Place]]:
        """From where to where settings of a lower layer go, so that they stand where a higher layer gives the same ones."""
        places: defaultdict[Place, list[Place]] = defaultdict(list)
        for place, claims in self._by_place.items():
            if len(claims) == 1:
                places[claims[0].canonical].append(place)
        for canonical, others in places.items():
            below, above = (
                [place for place in (canonical, *others) if _value(data, place) is not None] for data in (lower, higher)
            )
            if len(below) == len(above) == 1 and below != above:
                yield below[0], above[0]

    def sections(self, data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The drivers' sections, with what stands at aliases in its place there."""
        sections = {name: dict(section) for name, section in (data.get("drivers") or {}).items()}
        for place, (alias, *_) in self._by_place.items():
            value = _value(data, place)
            if value is not None:
                sections.setdefault(alias.network_type, {})[alias.key] = value
        return sections

    def where_written(self, problem: Problem, data: Mapping[str, Any]) -> Problem:
        """The problem of a section, at the place where the user wrote the key."""
        for place, claims in self._by_place.items():
            canonical = json_path(claims[0].canonical)
            rest = problem.path.removeprefix(canonical)
            if rest != problem.path and rest[:1] in ("", ".", "[") and _value(data, place) is not None:
                return Problem(path=json_path(place) + rest, message=problem.message, hint=problem.hint)
        return problem


def _given_twice(first: dict[Place, Place], canonical: Place, place: Place) -> Iterator[Problem]:
    before = first.setdefault(canonical, place)
    if before != place:
        message = f"the same is also given in {json_path(before)}"
        yield Problem(path=json_path(place), message=message, hint="keep one of the two")


def _value(data: Mapping[str, Any], place: Place) -> Any:
    value: Any = data
    for key in place:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _nested(place: Place, value: Any) -> Any:
    return {place[0]: _nested(place[1:], value)} if place else value
