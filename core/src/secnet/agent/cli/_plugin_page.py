"""One network type or IPAM backend in full, as data and as a page for people. All of it comes from the plugin's description."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from secnet.contract import NetworkDriver, SecnetError, load_fragment, thaw, to_json

from ..attach.plugin_calls import Plugins
from ..networks.nad import RESOURCE_ANNOTATION
from ..plugins.plugin import LoadedPlugin
from ..plugins.registry import BACKENDS_GROUP, DRIVERS_GROUP, Registry
from ..text.json_text import show
from ..text.options import Option, options_of
from ._common import print_data

__all__ = ["KINDS", "fragment_of", "nad_example", "plugin_facts", "plugin_state", "print_page"]

KINDS = {DRIVERS_GROUP: "network type", BACKENDS_GROUP: "ipam"}

_NO_DRIVER = "NO-NETWORK-TYPE-IS-INSTALLED"
_PHASES = {"before_link": "before the interface is made", "after_link": "when the interface is up"}
_WIDTH = 120
"""Columns where there is no terminal to ask."""


def fragment_of(plugin: LoadedPlugin[Any]) -> Mapping[str, Any]:
    """The schema fragment of its part of a NAD config."""
    fragment: Mapping[str, Any] = plugin.info.options if _is_driver(plugin) else plugin.info.config
    return fragment


def plugin_state(plugins: Plugins, plugin: LoadedPlugin[Any]) -> str:
    """What its probe says, in words that begin with `ready`, `not ready` or `broken`."""
    look_up = plugins.driver if _is_driver(plugin) else plugins.backend
    try:
        report = look_up(plugin.name).probe()
    except SecnetError as exc:
        return f"broken: {exc}"
    return "ready" if report.ready else f"not ready: {report.message}"


def plugin_facts(plugin: LoadedPlugin[Any], registry: Registry, plugins: Plugins) -> dict[str, Any]:
    """Everything about one plugin as JSON-like data; `keys` and `nodeKeys` are the rows of its tables."""
    info = plugin.info
    facts: dict[str, Any] = {
        "kind": KINDS[DRIVERS_GROUP if _is_driver(plugin) else BACKENDS_GROUP],
        "name": plugin.name,
        "summary": info.summary,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "contract": info.contract,
        "state": plugin_state(plugins, plugin),
        "capabilities": sorted(info.capabilities),
        "needs": to_json(info.needs),
        "kinds": [kind.kind for kind in info.kinds],
    }
    if _is_driver(plugin):
        facts |= {"needsDevice": info.needs_device, "vlan": info.vlan}
        facts |= {"options": thaw(info.options), "keys": _keys(info.options)}
    else:
        facts |= {"phase": info.phase, "allocates": info.allocates}
        facts |= {"options": thaw(info.config), "keys": _keys(info.config)}
    facts |= {"node": thaw(info.node), "nodeKeys": _keys(info.node)}
    facts["coreKeys"] = list(load_fragment("secnet.agent.networks", "nad.json")["properties"])
    facts["example"] = nad_example(plugin, registry, plugins)
    return facts


def nad_example(plugin: LoadedPlugin[Any], registry: Registry, plugins: Plugins) -> dict[str, Any]:
    """A whole NetworkAttachmentDefinition. A backend's is of an installed network type, one that works here if there is any."""
    config: dict[str, Any] = {"cniVersion": "1.1.0", "type": "secnet"}
    driver = plugin if _is_driver(plugin) else _partner(registry, plugins)
    config["networkType"] = driver.name if driver is not None else _NO_DRIVER
    config |= thaw(driver.info.example) if driver is not None else {}
    if not _is_driver(plugin):
        config["ipam"] = {"type": plugin.name, **thaw(plugin.info.example)}
    name = re.sub("[^a-z0-9]+", "-", plugin.name.lower()).strip("-") or "network"
    kind = "" if _is_driver(plugin) else "-ipam"  # one name may be both, and both are printed then
    metadata: dict[str, Any] = {"name": f"{name[:50]}{kind}-example", "namespace": "default"}
    if driver is not None and driver.info.needs_device:
        metadata["annotations"] = {RESOURCE_ANNOTATION: f"example.com/{name}"}
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": metadata,
        "spec": {"config": json.dumps(config, indent=2) + "\n"},
    }


def _partner(registry: Registry, plugins: Plugins) -> LoadedPlugin[Any] | None:
    """The network type to show a backend with: one without devices that is ready, our own `vlan` among them, else the first."""

    def rank(item: LoadedPlugin[Any]) -> tuple[Any, ...]:
        device = item.info.needs_device
        return (
            device or plugin_state(plugins, item) != "ready",
            device,
            item.name != "vlan",
            not item.info.vlan,
            item.name,
        )

    return min(registry.drivers.values(), key=rank, default=None)


def print_page(facts: Mapping[str, Any]) -> None:
    """Print what `plugin_facts` gave, or the row of a refused plugin with its hint, in the width of the terminal."""
    width = shutil.get_terminal_size((_WIDTH, 24)).columns
    title = f"{facts['name']}: {facts['summary']}" if "summary" in facts else facts["name"]
    print(textwrap.fill(title, width))
    print()
    _print_columns(_head(facts), width)
    if "keys" not in facts:
        return
    driver = facts["kind"] == KINDS[DRIVERS_GROUP]
    nad = "the config of a NetworkAttachmentDefinition"
    _print_options(f"Options in {nad}" if driver else f"Keys of the section ipam in {nad}", facts["keys"], width)
    section = f"{'drivers' if driver else 'ipam'}.{facts['name']}"
    _print_options(f"Keys of the section {section} in the node configuration", facts["nodeKeys"], width)
    print()
    print(textwrap.fill(f"Keys of every config: {', '.join(facts['coreKeys'])} (see docs/configuration.md).", width))
    print(
        f"\nA NetworkAttachmentDefinition to start from; `secnet drivers {facts['name']} --example` prints it alone:\n"
    )
    if _NO_DRIVER in facts["example"]["spec"]["config"]:
        print("# No network type that can be used is installed: put one in place of the capitals below.")
    print_data(facts["example"], "yaml")


def _is_driver(plugin: LoadedPlugin[Any]) -> bool:
    return issubclass(plugin.cls, NetworkDriver)


def _keys(fragment: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(option) for option in options_of(fragment)]


def _head(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The lines above the tables."""
    kind = f"networkType: {facts['name']}" if facts["kind"] == KINDS[DRIVERS_GROUP] else f"ipam.type: {facts['name']}"
    rows = [
        ("kind", f"{facts['kind']}, in a NAD {kind}"),
        ("distribution", f"{facts['distribution']} {facts['version']}"),
    ]
    rows.append(("state", facts["state"]))
    if "keys" not in facts:
        return [*rows, ("reason", facts["reason"]), ("what to do", facts["hint"])]
    rows.append(("contract", f"version {facts['contract']}"))
    honoured = [f"{name} of the {'NAD' if name == 'mtu' else 'annotation'}" for name in facts["capabilities"]]
    rows.append(("honours", ", ".join(honoured) or "no optional request"))
    rows.append(("objects", ", ".join(facts["kinds"]) or "none in the cluster"))
    rows.append(("needs", "; ".join(_needs(facts["needs"])) or "it names nothing"))
    if "needsDevice" in facts:
        rows.append(
            ("device", "one for each interface, from a device plugin" if facts["needsDevice"] else "none needed")
        )
        rows.append(("VLANs", "yes" if facts["vlan"] else "no"))
    else:
        rows.append(
            ("addresses", f"given {_PHASES[facts['phase']]}" + ("" if facts["allocates"] else "; nothing is recorded"))
        )
    return rows


def _needs(needs: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What is needed of the node, by its kind."""
    for name, items in needs.items():
        if items:
            yield f"{name.replace('_', ' ')} {', '.join(items)}"


def _print_options(title: str, keys: Iterable[Mapping[str, Any]], width: int) -> None:
    options = [Option(**key) for key in keys]
    if not options:
        print(f"\n{title}: none.")
        return
    print(f"\n{title}:\n")
    rows = [(option.key, option.type, _default(option), _meaning(option)) for option in options]
    _print_columns([("KEY", "TYPE", "DEFAULT", "MEANING"), *rows], width, limits=(48, 24, 16))


def _default(option: Option) -> str:
    return "required" if option.required else show(option.default) if option.has_default else "-"


def _meaning(option: Option) -> str:
    meaning = option.meaning.rstrip(".")
    example = f"For example {json.dumps(option.examples[0], ensure_ascii=False)}." if option.examples else ""
    pattern = f"Pattern: {option.pattern}" if option.pattern else ""
    return " ".join(part for part in (f"{meaning}." if meaning else "", example, pattern) if part)


def _print_columns(rows: Sequence[Sequence[str]], width: int, *, limits: Sequence[int] = (40,)) -> None:
    """Aligned columns; each but the last is at most its limit wide, and the last takes what is left of the width."""
    columns = len(rows[0])
    widths = [
        min(limit, max(len(row[at]) for row in rows)) for at, limit in zip(range(columns - 1), limits, strict=True)
    ]
    rest = max(30, width - sum(widths) - 2 * (columns - 1))
    for row in rows:
        cells = [
            textwrap.wrap(text, size, break_on_hyphens=False) or [""]
            for text, size in zip(row, [*widths, rest], strict=True)
        ]
        for line in range(max(map(len, cells))):
            parts = [cell[line] if line < len(cell) else "" for cell in cells]
            print("  ".join(part.ljust(size) for part, size in zip(parts, [*widths, rest], strict=True)).rstrip())
