"""What the commands share: options, settings, the state directory, and printing."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from secnet.contract import Unsupported, one_line

from ..config.settings import Settings, load_settings
from ..plugins.registry import Registry
from ..preflight.node_labels import remembered_labels

__all__ = [
    "add_config_options",
    "add_json_option",
    "add_manifest_options",
    "load",
    "load_all",
    "print_data",
    "print_table",
    "require_own_objects",
]


def add_config_options(parser: argparse.ArgumentParser, *, state_dir: bool = True) -> None:
    """`--config` and `--state-dir`."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        default=Path(named) if (named := os.environ.get("SECNET_CONFIG")) else None,
        help="node configuration (YAML); without it the one that the environment variable SECNET_CONFIG names, or else every "
        "setting has its default (see docs/configuration.md)",
    )
    if state_dir:
        parser.add_argument(
            "--state-dir",
            type=Path,
            metavar="DIR",
            help="where the live objects are kept; overrides stateDir of the configuration (default /var/lib/secnet)",
        )


def add_manifest_options(parser: argparse.ArgumentParser) -> None:
    """What `apply` and `delete` take alike: DIR, `--timeout` and the configuration."""
    parser.add_argument(
        "path", metavar="DIR", type=Path, nargs="+", help="directory or file of manifests (YAML or JSON)"
    )
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="how long to wait (default 60)")
    add_config_options(parser)


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def load_all(arguments: argparse.Namespace, *, warn: bool = True) -> tuple[Registry, Settings]:
    """The installed plugins and the settings that the options name, with those of the node group that the agent works by.

    warn: name broken plugins on stderr.
    """
    registry = Registry.load()
    for problem in registry.problems if warn else ():
        print(f"secnet: {problem.error}", file=sys.stderr)
    settings = load(arguments, registry)
    if settings.node_groups and settings.kubernetes is not None:
        labels = remembered_labels(settings)
        if labels is not None:
            settings = load(arguments, registry, labels)
        elif warn:
            print("secnet: no agent has read the labels of this Node: node groups are left out", file=sys.stderr)
    return registry, settings


def load(arguments: argparse.Namespace, registry: Registry, labels: Mapping[str, str] | None = None) -> Settings:
    """The settings that the options name. labels: see `load_settings`."""
    settings = load_settings(arguments.config, registry, labels=labels)
    if getattr(arguments, "state_dir", None) is not None:
        settings = dataclasses.replace(settings, state_dir=arguments.state_dir)
    return settings


def require_own_objects(settings: Settings, config: Path | None, instead: str) -> None:
    """Raises Unsupported with the hint `instead` where the Kubernetes API has the objects: it is not our store then."""
    if settings.kubernetes is not None:
        raise Unsupported(
            "the objects of this node are in the Kubernetes API",
            hint=instead,
            subject=f"node configuration {config}",
            path="$.kubernetes",
        )


def print_table(header: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """A table with aligned columns, or the sentence `empty` when there are no rows."""
    lines = [[_cell(value) for value in row] for row in rows]
    if not lines:
        print(empty)
        return
    widths = [max(len(line[column]) for line in [list(header), *lines]) for column in range(len(header))]
    for line in [list(header), *lines]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_data(data: Any, style: str) -> None:
    """Plain data as `json` or `yaml`."""
    if style == "yaml":
        print(yaml.dump(data, Dumper=_Dumper, sort_keys=False), end="")
    else:
        print(json.dumps(data, indent=2))


class _Dumper(yaml.SafeDumper):
    """Texts of several lines, such as annotations, stand as they would in a manifest."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _cell(value: Any) -> str:
    return "-" if value is None or value == "" else one_line(str(value))
