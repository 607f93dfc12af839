"""`secnet drivers`: installed network types and IPAM backends, and whether they can work here."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from secnet.contract import ObjectStore, Unsupported

from ..attach.plugin_calls import Plugins
from ..config.settings import Settings
from ..plugins.plugin import LoadedPlugin, PluginProblem
from ..plugins.registry import BACKENDS_GROUP, DRIVERS_GROUP, Registry
from ..process.source import objects_to_look_at
from ..text.json_text import nearest
from ._common import add_config_options, add_json_option, load_all, print_data, print_table
from ._plugin_page import KINDS, fragment_of, nad_example, plugin_facts, plugin_state, print_page

__all__ = ["add_parser", "run"]

_GROUPS = {"networkType": DRIVERS_GROUP, "ipam": BACKENDS_GROUP}
_OTHER = {"networkType": "ipam", "ipam": "networkType"}
_KIND_WORDS = {DRIVERS_GROUP: "a network type", BACKENDS_GROUP: "an IPAM type"}


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "drivers",
        help="show installed network types and IPAM backends",
        description="Without NAME: every network type and IPAM backend with its distribution, version and whether it can work on "
        "this host. With NAME: what it needs and honours, its options and node configuration, from its schemas, and a "
        "NetworkAttachmentDefinition to start from.",
        epilog="exit status: 0 nothing of what is shown is refused, whether or not it is ready on this host; 1 something shown "
        "is refused (it cannot be loaded, breaks the contract, is of another contract version, or two distributions provide it), "
        "nothing has that NAME, or the node configuration is wrong; 2 the command line is wrong.",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a networkType or an ipam.type")
    parser.add_argument(
        "--kind", choices=tuple(_GROUPS), help="which of the two, where NAME is both; without it both are shown"
    )
    parser.add_argument(
        "--example",
        action="store_true",
        help="with NAME: print only the NetworkAttachmentDefinition, as YAML (or JSON, with --json)",
    )
    add_json_option(parser)
    add_config_options(parser)
    parser.set_defaults(run=run, refuse=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Print the table, or one plugin in full."""
    if arguments.name == "":
        arguments.refuse("NAME is empty")
    if arguments.example and arguments.name is None:
        arguments.refuse("--example needs the NAME of a network type or an IPAM type")
    registry, settings = load_all(arguments, warn=arguments.name is None)
    with objects_to_look_at(settings, registry) as objects:
        if arguments.name is not None:
            return _show(arguments, registry, settings, objects)
        return _list(arguments, registry, settings, objects)


def _list(arguments: argparse.Namespace, registry: Registry, settings: Settings, objects: ObjectStore) -> int:
    groups = _groups(arguments)
    rows = [row for row in _rows(registry, settings, objects) if row["kind"] in [KINDS[group] for group in groups]]
    if arguments.json:
        print_data(rows, "json")
    else:
        header = ("KIND", "NAME", "DISTRIBUTION", "VERSION", "OPTIONS", "STATE")
        print_table(
            header, [tuple(_text(row[key.lower()]) for key in header) for row in rows], empty="no plugin is installed"
        )
    return 1 if any(problem.group in groups for problem in registry.problems) else 0


def _groups(arguments: argparse.Namespace) -> list[str]:
    return [group for word, group in _GROUPS.items() if arguments.kind in (None, word)]


def _rows(registry: Registry, settings: Settings, objects: ObjectStore) -> Iterator[Mapping[str, Any]]:
    """Of all that is installed. The probes run side by side: one that does not answer delays no other."""
    plugins = Plugins(registry, settings, objects)
    try:
        for group, table in _tables(registry).items():
            found = [plugin for _, plugin in sorted(table.items())]
            with ThreadPoolExecutor(len(found) or 1) as pool:
                states = list(pool.map(partial(plugin_state, plugins), found))
            for plugin, state in zip(found, states, strict=True):
                yield _row(group, plugin, sorted(fragment_of(plugin)["properties"]), state)
            for problem in registry.problems:
                if problem.group == group:
                    yield _row(group, problem, [], f"refused: {problem.error.message}")
    finally:
        plugins.close()


def _tables(registry: Registry) -> dict[str, Mapping[str, LoadedPlugin[Any]]]:
    return {DRIVERS_GROUP: registry.drivers, BACKENDS_GROUP: registry.backends}


def _row(group: str, item: LoadedPlugin[Any] | PluginProblem, options: list[str], state: str) -> dict[str, Any]:
    return {
        "kind": KINDS[group],
        "name": item.name,
        "distribution": item.distribution,
        "version": item.version,
        "options": options,
        "state": state,
    }


def _show(arguments: argparse.Namespace, registry: Registry, settings: Settings, objects: ObjectStore) -> int:
    """Everything of that name: one plugin, or a network type and an IPAM type; usable or not."""
    groups = _groups(arguments)
    tables = _tables(registry)
    found = [tables[group][arguments.name] for group in groups if arguments.name in tables[group]]
    refused = [item for item in registry.problems if item.name == arguments.name and item.group in groups]
    if not found and not refused:
        raise _not_installed(arguments.name, groups, registry)
    if arguments.example and not found:
        raise Unsupported(f"{arguments.name} is installed but not usable: {refused[0].error}")
    plugins = Plugins(registry, settings, objects)
    try:
        if arguments.example:
            _print_examples([nad_example(plugin, registry, plugins) for plugin in found], as_json=arguments.json)
            return 0
        facts = [plugin_facts(plugin, registry, plugins) for plugin in found]
    finally:
        plugins.close()
    facts += [_refusal(problem) for problem in refused]
    if arguments.json:
        print(json.dumps(facts, indent=2))
    else:
        for number, item in enumerate(facts):
            print("\n" if number else "", end="")
            print_page(item)
    return 1 if refused else 0


def _not_installed(name: str, groups: Sequence[str], registry: Registry) -> Unsupported:
    """The error for a name that no plugin of these groups has; one of the other kind may have it."""
    tables = _tables(registry)
    for word, group in _GROUPS.items():
        if name in tables[group] or registry.problem(group, name) is not None:
            other = _KIND_WORDS[_GROUPS[_OTHER[word]]]
            return Unsupported(
                f"{name} is installed as {_KIND_WORDS[group]}, not as {other}",
                hint=f"leave --kind out, or say --kind {word}",
            )
    known = sorted({name for group in groups for name in tables[group]})
    refused = sorted({item.name for item in registry.problems if item.group in groups} - {*known})
    near = nearest(name, [*known, *refused])
    listed = f"installed: {', '.join(known) or 'none'}" + (f"; refused: {', '.join(refused)}" if refused else "")
    return Unsupported(
        f"no plugin {name!r} is installed ({listed})",
        hint=f"did you mean {near!r}?" if near is not None else "install the distribution that provides it",
    )


def _print_examples(examples: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """One NAD; or both of a name that is a network type and an IPAM type, as one array or as two YAML documents."""
    if as_json:
        print_data(examples if len(examples) > 1 else examples[0], "json")
        return
    for example in examples:
        if len(examples) > 1:
            print("---")
        print_data(example, "yaml")


def _refusal(problem: PluginProblem) -> dict[str, Any]:
    row = _row(problem.group, problem, [], f"refused: {problem.error.message}")
    return {**row, "reason": problem.error.reason, "hint": problem.error.hint}


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
