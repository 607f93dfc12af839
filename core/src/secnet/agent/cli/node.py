"""`secnet node`: remove what the drivers made on this node, before the agent goes for good; forget a node that is gone."""

from __future__ import annotations

import argparse
import time
from typing import Any

from secnet.contract import Busy, InvalidConfig

from ..attach.forgotten_nodes import ForgottenNodes
from ..attach.node_teardown import NodeTeardown, TornDown
from ..attach.plugin_calls import Plugins
from ..cluster.files.store import FileStore
from ..cluster.kinds import with_plugins
from ..state.journal import Journal
from ..state.reports import Reports
from ..state.run_dir import RunDirLock
from ._common import add_config_options, load_all, require_own_objects

__all__ = ["add_parser", "forget", "teardown"]

_SEEN_SECONDS = 300.0


def add_parser(commands: Any) -> None:
    """Add the group, and its commands."""
    group = commands.add_parser(
        "node",
        help="what the drivers made on this node: remove it; a node that is gone: forget it",
        description="Commands about the state of nodes as a whole, such as bridges, or the addresses of a node that is gone.",
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
    _add_forget(inside)


def _add_forget(inside: Any) -> None:
    parser = inside.add_parser(
        "forget",
        help="release the addresses of a node that is gone for good",
        description="With manifests, nodes that share a state directory: release the addresses that the agent of a node took, "
        "and forget that node. No agent does so by itself, because from outside a node that is gone looks like one whose agent "
        "is stopped. First make sure that no Pod runs on it.",
        epilog="exit status: 0 all was released; 1 something was not, and is named.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("node", metavar="NODE", nargs="?", help="name of the node (nodeName of its configuration)")
    what.add_argument(
        "--unrecorded",
        action="store_true",
        help="instead of a node's: release the addresses of which no agent's ledger says which node took them",
    )
    parser.add_argument(
        "--force", action="store_true", help="also if the agent of that node was there within the last five minutes"
    )
    add_config_options(parser)
    parser.set_defaults(run=forget)


def forget(arguments: argparse.Namespace) -> int:
    """Refuse, or release and say what was released and what was not."""
    registry, settings = load_all(arguments)
    require_own_objects(
        settings, arguments.config, "delete the Node: five minutes after its Pods are gone their addresses are released"
    )
    plugins = Plugins(registry, settings, FileStore(settings.state_dir, kinds=with_plugins(registry.kinds)))
    recorded = {record.key.container_id for record in Journal.peek(settings.run_dir / "journal")}
    try:
        nodes = ForgottenNodes(plugins, settings.state_dir, recorded)
        if not arguments.unrecorded:
            _require_gone(nodes, arguments.node, settings.node_name, force=arguments.force)
        results = list(nodes.release_unrecorded() if arguments.unrecorded else nodes.forget(arguments.node))
    finally:
        plugins.close()
    for result in results:
        print(f"released: {result}" if result.error is None else f"not released: {result}: {result.error}")
    if not results:
        print("there was no address to release")
    return int(any(result.error is not None for result in results))


def _require_gone(nodes: ForgottenNodes, node: str, own: str, *, force: bool) -> None:
    """Raises InvalidConfig for a node that has no ledger or is this one, Busy for one whose agent was there just now."""
    ledgers = nodes.ledgers_of(node)
    if not ledgers:
        raise InvalidConfig(
            f"no agent of a node {node} took addresses here", hint="see `secnet doctor`, which names the nodes that did"
        )
    if node == own:
        raise InvalidConfig(
            f"{node} is this node", hint="its own agent releases what has ended here; run the command on another node"
        )
    ago = time.time() - max(ledger.seen for ledger in ledgers)
    if ago < _SEEN_SECONDS and not force:
        raise Busy(
            f"the agent of node {node} was there {ago:.0f} s ago",
            hint="stop it and delete its Pods' namespaces; --force, if you know that none of its interfaces is left",
        )


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
