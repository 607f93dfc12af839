"""`secnet get`: live objects with their status, from the manifest store or the Kubernetes API."""

from __future__ import annotations

import argparse
from typing import Any

from secnet.contract import InvalidConfig

from ..cluster.kinds import Kinds, with_plugins
from ..config.settings import Settings
from ..plugins.registry import Registry
from ..process.source import objects_to_look_at
from ._common import add_config_options, add_json_option, load_all, print_data, print_table

__all__ = ["add_parser", "run"]


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "get",
        help="show live objects",
        description="Show live objects (Pods, NADs, IPPools, and what plugins bring) as the agent sees them, with uid, "
        "resourceVersion and status. "
        "Where the Kubernetes API is the source they are asked of it, with the agent's credentials; of Pods those of this node.",
    )
    parser.add_argument(
        "kind", metavar="KIND", help="pod, net-attach-def, ippool or a plugin's; plural and full names work too"
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="one object")
    parser.add_argument("-n", "--namespace", default=None, help="only this namespace (with NAME: default)")
    parser.add_argument("-o", "--output", choices=("table", "json", "yaml"), default="table")
    add_json_option(parser)
    add_config_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the objects asked for."""
    registry, settings = load_all(arguments)
    kind = _kind(arguments.kind, with_plugins(registry.kinds))
    found = _find(settings, registry, kind, arguments.name, arguments.namespace)
    style = "json" if arguments.json else arguments.output
    if style == "table":
        header, rows = _rows(kind, found)
        where = settings.state_dir if settings.kubernetes is None else "the Kubernetes API"
        print_table(header, rows, empty=f"no {kind} objects in {where}")
    else:
        print_data(found[0] if arguments.name else {"apiVersion": "v1", "kind": "List", "items": found}, style)
    return 0


def _find(
    settings: Settings, registry: Registry, kind: str, name: str | None, namespace: str | None
) -> list[dict[str, Any]]:
    namespaced = with_plugins(registry.kinds)[kind].namespaced
    with objects_to_look_at(settings, registry) as objects:
        if name:
            return [objects.get(kind, name, (namespace or "default") if namespaced else "")]
        found = objects.list(kind, (namespace or "") if namespaced else "")
    if kind != "Pod" or settings.kubernetes is None:
        return found
    return [pod for pod in found if (pod.get("spec") or {}).get("nodeName") == settings.node_name]


def _kind(word: str, kinds: Kinds) -> str:
    for kind, info in kinds.items():
        if word.lower() in {kind.lower(), info.plural, *info.short}:
            return kind
    raise InvalidConfig(
        f"there is no kind {word!r}", hint=f"use one of {', '.join(info.plural for info in kinds.values())}"
    )


def _rows(kind: str, objects: list[dict[str, Any]]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    if kind == "IPPool":
        return ("NAME", "TOTAL", "USED", "VLAN", "TERMINATING"), [_pool_row(obj) for obj in objects]
    return ("NAMESPACE", "NAME", "GENERATION", "VERSION"), [
        (
            obj["metadata"].get("namespace"),
            obj["metadata"]["name"],
            obj["metadata"].get("generation"),
            obj["metadata"]["resourceVersion"],
        )
        for obj in objects
    ]


def _pool_row(pool: dict[str, Any]) -> tuple[Any, ...]:
    status, spec = pool.get("status") or {}, pool.get("spec") or {}
    usage, subnet = status.get("usage") or {}, spec.get("subnetInfo") or {}
    used = usage.get("used", len(status.get("ipAddresses") or []))
    terminating = "yes" if pool["metadata"].get("deletionTimestamp") else None
    return (pool["metadata"]["name"], usage.get("total"), used, subnet.get("vlan"), terminating)
