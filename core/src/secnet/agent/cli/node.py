"""`secnet node teardown`: remove what the drivers made on this node, before the agent goes for good."""

from __future__ import annotations

import argparse
from typing import Any

from ..attach.node_teardown import NodeTeardown, TornDown
from ..attach.plugin_calls import Plugins
from ..cluster.files.store import FileStore
from ..state.reports import Reports
from ..state.run_dir import RunDirLock
from ._common import add_config_options, load_all

__all__ = ["add_parser", "teardown"]


def add_parser(commands: Any) -> None:
    """Add the group, and its commands."""
    group = commands.add_parser(
        "node",
        help="what the drivers made on this node: remove it",
        description="Commands about the state of this node as a whole, such as its bridges.",
    )
    inside = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parser = inside.add_parser(
        "teardown",
        help="remove what the drivers made on this node, such as bridges and uplink ports",
        description="Have every driver remove its per-node state, such as bridges and uplink ports that carry the owner tag. "
        "It refuses while an agent runs or an attachment exists. What others made stays.",
        epilog="exit status: 0 nothing is left; 1 something is, and is named.",
    )
    add_config_options(parser)
    parser.set_defaults(run=teardown)


def teardown(arguments: argparse.Namespace) -> int:
    """Refuse, or tear down and say what was removed and what stays."""
    registry, settings = load_all(arguments)
    lock = RunDirLock(settings.run_dir)
    lock.acquire("secnet node teardown")
    # The store is for IPAM backends, and none is asked.
    plugins = Plugins(registry, settings, FileStore(settings.state_dir))
    try:
        work = NodeTeardown(plugins=plugins, settings=settings, reports=Reports(settings.run_dir))
        if attachments := list(work.attachments()):
            print(
                f"nothing is removed, for {len(attachments)} attachments exist; delete their Pods, and let the agent detach"
            )
            for line in attachments:
                print(f"  {line}")
            return 1
        results = list(work.run())
        for result in results:
            _print(result, configured=bool(settings.drivers.get(result.network_type)))
        if not results:
            print("no driver has made anything on this node")
        return int(any(result.left or result.error for result in results))
    finally:
        plugins.close()
        lock.release()


def _print(result: TornDown, *, configured: bool) -> None:
    what = f"network type {result.network_type}"
    for line in result.removed:
        print(f"{what}: removed: {line}")
    for line in result.left:
        print(f"{what}: stays: {line}")
    if result.error is not None:
        print(f"{what}: stays, as it cannot be removed: {result.error}")
    elif not result.removed and not result.left:
        print(f"{what}: nothing to remove")
    if configured:
        print(f"{what}: the node configuration still has its section: an agent that starts makes it again")
