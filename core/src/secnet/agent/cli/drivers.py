"""`secnet drivers`: installed network types and IPAM backends, and whether they can work here."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from secnet.contract import NetworkDriver, ObjectStore, ProbeReport, SecnetError, Unsupported, thaw

from ..cluster.store import FileStore
from ..plugins import Plugins
from ..registry import LoadedPlugin, Registry
from ..settings import Settings
from .common import add_config_options, add_json_option, load_all, print_table

__all__ = ["add_parser", "run"]


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "drivers",
        help="show installed network types and IPAM backends",
        description="Without NAME: every network type and IPAM backend with its distribution, version and whether it can work on "
        "this host. With NAME: its options, from its schema, and a NAD to start from.",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a networkType or an ipam.type")
    add_json_option(parser)
    add_config_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the table, or one plugin in full."""
    registry, settings = load_all(arguments)
    if arguments.name:
        return _show(arguments.name, registry, as_json=arguments.json)
    rows = list(_rows(registry, settings, FileStore(settings.state_dir)))
    if arguments.json:
        print(json.dumps([dict(row) for row in rows], indent=2))
    else:
        header = ("KIND", "NAME", "DISTRIBUTION", "VERSION", "OPTIONS", "STATE")
        print_table(
            header, [tuple(_text(row[key.lower()]) for key in header) for row in rows], empty="no plugin is installed"
        )
    return 1 if registry.problems else 0


def _rows(registry: Registry, settings: Settings, objects: ObjectStore) -> Iterator[Mapping[str, Any]]:
    plugins = Plugins(registry, settings, objects)
    try:
        for name, driver in sorted(registry.drivers.items()):
            yield _facts("network type", driver, _state(partial(plugins.drive, name, "probe", ProbeReport)))
        for name, backend in sorted(registry.backends.items()):
            yield _facts("ipam", backend, _state(partial(plugins.ask, name, "probe", ProbeReport)))
    finally:
        plugins.close()


def _facts(kind: str, plugin: LoadedPlugin[Any], state: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "options": sorted(_fragment(plugin)["properties"]),
        "state": state,
    }


def _state(probe: Callable[[], ProbeReport]) -> str:
    try:
        report = probe()
    except SecnetError as exc:
        return f"broken: {exc}"
    return "ready" if report.ready else f"not ready: {report.message}"


def _fragment(plugin: LoadedPlugin[Any]) -> Mapping[str, Any]:
    fragment: Mapping[str, Any] = plugin.info.options if issubclass(plugin.cls, NetworkDriver) else plugin.info.config
    return fragment


def _show(name: str, registry: Registry, *, as_json: bool) -> int:
    plugin: LoadedPlugin[Any] | None = registry.drivers.get(name) or registry.backends.get(name)
    if plugin is None:
        known = ", ".join(sorted([*registry.drivers, *registry.backends]))
        raise Unsupported(
            f"no plugin {name!r} is installed (installed: {known})", hint="install the distribution that provides it"
        )
    nad = _example(plugin)
    if as_json:
        print(
            json.dumps(
                {"name": name, "summary": plugin.info.summary, "options": thaw(_fragment(plugin)), "example": nad},
                indent=2,
            )
        )
        return 0
    print(f"{name}: {plugin.info.summary}  ({plugin.distribution} {plugin.version})\n")
    fragment = _fragment(plugin)
    required = set(fragment.get("required", ()))
    rows = [
        (key, _type(schema), "required" if key in required else schema.get("default"), schema.get("description", ""))
        for key, schema in fragment["properties"].items()
    ]
    print_table(("OPTION", "TYPE", "DEFAULT", "MEANING"), rows, empty="takes no options of its own")
    print(f"\nA NetworkAttachmentDefinition to start from (spec.config):\n{json.dumps(nad, indent=2)}")
    return 0


def _example(plugin: LoadedPlugin[Any]) -> dict[str, Any]:
    config: dict[str, Any] = {"cniVersion": "1.1.0", "type": "antrea"}
    if issubclass(plugin.cls, NetworkDriver):
        return {**config, "networkType": plugin.name, **thaw(plugin.info.example)}
    return {**config, "networkType": "vlan", "ipam": {"type": plugin.name, **thaw(plugin.info.example)}}


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    kind = schema.get("type", "any")
    return str(kind) if isinstance(kind, str) else " | ".join(kind)


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
