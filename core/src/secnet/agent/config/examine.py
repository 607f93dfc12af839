"""What is wrong with a node configuration, for the agent and for `secnet validate`.

The core's schema owns the keys at the top. `drivers.TYPE` belongs to the driver of that type and is checked by its own schema
fragment, as `ipam.TYPE` by that of the backend.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from secnet.contract import load_fragment

from ..plugins.registry import BACKENDS_GROUP, DRIVERS_GROUP, Registry
from ..text.json_text import json_path, nearest, suggest
from ..text.schema import Problem, Validator
from ._antrea_conf import ANTREA_KEYS, antrea_notes, without_antrea
from .aliases import Aliases
from .layers import Layer, Layers, without_empty
from .node_groups import KEY, group_problems, group_settings

__all__ = [
    "FileProblem",
    "examine_layers",
    "examine_settings",
    "make_aliases",
    "node_schema",
    "settings_keys",
    "settings_notes",
]

_CORE = load_fragment("secnet.agent.config", "node.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProblem:
    """A problem, and the file in which the key is. note: worth knowing, nothing to correct."""

    file: str
    problem: Problem
    note: bool = False


def make_aliases(registry: Registry) -> Aliases:
    """Where else settings of the usable drivers may stand."""
    return Aliases(registry, _CORE)


def examine_layers(layers: Sequence[Layer], registry: Registry) -> list[FileProblem]:
    """Everything wrong with the layers together, and then with each of their node groups; notes where nothing is."""
    aliases = make_aliases(registry)
    whole = Layers(layers, aliases)
    problems = examine_settings(whole.data, registry) or list(_in_groups(whole, layers, registry))
    notes = [] if problems else settings_notes(whole.data, registry)
    return [
        FileProblem(file=whole.origin(problem.path).file, problem=problem, note=not problems)
        for problem in problems or notes
    ]


def _in_groups(whole: Layers, layers: Sequence[Layer], registry: Registry) -> Iterator[Problem]:
    for name, group in whole.data.get(KEY, {}).items():
        settings = Layer(file="", data=group_settings(group))
        merged = Layers([*layers, settings], make_aliases(registry))
        own = list(group_problems(name, group))
        found = examine_settings(merged.data, registry) if not own else []
        for problem in (*own, *(each for each in found if merged.origin(each.path) is settings)):
            path = json_path((KEY, name)) + problem.path.removeprefix("$")
            yield Problem(path=path, message=problem.message, hint=problem.hint)


def settings_notes(data: Mapping[str, Any], registry: Registry) -> list[Problem]:
    """What a valid node configuration has that has no effect: worth knowing, nothing to correct."""
    data = without_empty(data)
    return [*antrea_notes(data), *_unclaimed_notes(data, registry), *_group_notes(data)]


def settings_keys(registry: Registry) -> frozenset[str]:
    """The keys at the top of a node configuration, with those that are accepted because Antrea's file has them."""
    return frozenset(node_schema(registry)["properties"]) | ANTREA_KEYS


def node_schema(registry: Registry) -> Mapping[str, Any]:
    """The schema of the file: the core's keys, and those that the installed drivers have declared as aliases."""
    return make_aliases(registry).schema()


def examine_settings(data: Any, registry: Registry) -> list[Problem]:
    """Everything wrong with a node configuration, the most telling first."""
    aliases = make_aliases(registry)
    schema, hints = aliases.schema(), {}
    if isinstance(data, Mapping):
        data = without_antrea(without_empty(data))
        unclaimed = _unclaimed(data, registry)
        hints = dict.fromkeys(unclaimed, "remove it, or install the distribution of the driver that takes it")
        if _has_broken_driver(registry):
            data = {key: value for key, value in data.items() if key not in unclaimed}
    problems = Validator(schema, "node configuration", checked=True).problems(data, hints=hints)
    if problems:
        return problems
    return [
        *_source_problems(data),
        *aliases.problems(data),
        *_driver_problems(data, registry, aliases),
        *_backend_problems(data, registry),
    ]


def _source_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    if data.get("kubernetes") is not None and data.get("manifests") is not None:
        message = "objects come either from manifests or from the Kubernetes API"
        yield Problem(path="$.manifests", message=message, hint="remove manifests, or the section kubernetes")


def _unclaimed(data: Mapping[str, Any], registry: Registry) -> list[str]:
    """Keys at the top that are no slip of a known one: a driver that is not usable here may take them."""
    known = settings_keys(registry)
    return [key for key in data if key not in known and nearest(key, known - ANTREA_KEYS) is None]


def _has_broken_driver(registry: Registry) -> bool:
    return any(problem.group == DRIVERS_GROUP for problem in registry.problems)


def _unclaimed_notes(data: Mapping[str, Any], registry: Registry) -> Iterator[Problem]:
    for key in _unclaimed(data, registry) if _has_broken_driver(registry) else ():
        message = "it has no effect now: no driver that can be loaded takes it"
        yield Problem(path=json_path((key,)), message=message, hint="see `secnet drivers` for those that cannot")


def _group_notes(data: Mapping[str, Any]) -> Iterator[Problem]:
    if data.get(KEY) and data.get("kubernetes") is None:
        message = "without effect unless another file of this configuration has the section kubernetes"
        yield Problem(path=f"$.{KEY}", message=message, hint="the labels are those of the Node, in the Kubernetes API")


def _driver_problems(data: Mapping[str, Any], registry: Registry, aliases: Aliases) -> Iterator[Problem]:
    for network_type, section in aliases.sections(data).items():
        plugin = registry.drivers.get(network_type)
        if plugin is not None and plugin.node is not None:
            prefix = ("drivers", network_type)
            for problem in plugin.node.problems(section, prefix=prefix):
                yield aliases.where_written(problem, data)
        elif registry.problem(DRIVERS_GROUP, network_type) is None:
            # A driver that is installed but broken is reported elsewhere and must not keep the agent from starting.
            install = "remove the section, or install the distribution that provides the type"
            yield Problem(
                path=json_path(("drivers", network_type)),
                message=f"no driver for network type {network_type!r} is installed",
                hint=f"{install}; {suggest(network_type, [*registry.drivers])}",
            )


def _backend_problems(data: Mapping[str, Any], registry: Registry) -> Iterator[Problem]:
    for ipam_type, section in (data.get("ipam") or {}).items():
        plugin = registry.backends.get(ipam_type)
        if plugin is not None and plugin.node is not None:
            yield from plugin.node.problems(section, prefix=("ipam", ipam_type))
        elif registry.problem(BACKENDS_GROUP, ipam_type) is None:
            install = "remove the section, or install the distribution that provides the type"
            yield Problem(
                path=json_path(("ipam", ipam_type)),
                message=f"no IPAM backend for the type {ipam_type!r} is installed",
                hint=f"{install}; {suggest(ipam_type, [*registry.backends])}",
            )
