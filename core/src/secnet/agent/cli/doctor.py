"""`secnet doctor`: what would keep the agent from working on this node, and the remedy."""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from secnet.contract import Unsupported, to_json

from ..config.settings import Settings
from ..doctor import ApiReader, Host, Level, run_checks, used_types
from ._common import add_config_options, add_json_option, load_all, print_data

__all__ = ["add_parser", "run"]

Rules = Sequence[Mapping[str, Sequence[str]]]

# Loaded only where the Kubernetes API is the source of the objects: its client takes half a second and 30 MB.
_KUBERNETES = "secnet.agent.cluster.kube"


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="check what the agent needs on this node",
        description="Check this node and, with the section kubernetes, the cluster: privileges, mounts, link kinds, Open "
        "vSwitch, drivers, sockets, the CNI configuration, conflicting agents, CRDs and access rules. One line each, with the "
        "remedy. Run it where the agent runs, in its container. It changes nothing.",
        epilog="exit status: 0 nothing failed; 1 something did, on a line that begins with FAIL.",
    )
    add_json_option(parser)
    add_config_options(parser, state_dir=False)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print every result as it is found."""
    registry, settings = load_all(arguments, warn=False)
    results = []
    with ExitStack() as stack:
        api, rules = open_api(settings)
        if api is not None:
            stack.callback(api.close)
        host = Host(
            settings=settings,
            registry=registry,
            api=api,
            rules=rules,
            used=None if api is None else used_types(api),
            environment=os.environ,
        )
        for result in run_checks(host):
            results.append(result)
            if not arguments.json:
                print(result, flush=True)
    if arguments.json:
        print_data(to_json(tuple(results)), "json")
    return int(any(result.level == Level.FAIL for result in results))


def open_api(settings: Settings) -> tuple[ApiReader | None, Rules]:
    """The Kubernetes API, to be closed, and the rules that the agent needs there; None when manifests are the source.

    Raises Unsupported where the client is not installed, and what reading the credentials raises.
    """
    if settings.kubernetes is None:
        return None, ()
    try:
        module = importlib.import_module(_KUBERNETES)
    except ModuleNotFoundError as exc:
        raise Unsupported(
            f"the Kubernetes API cannot be asked: there is no module {exc.name}",
            hint="install secnet with the extra `cluster`",
            subject="node configuration",
            path="$.kubernetes",
        ) from exc
    return module.open_reader(module.Credentials(settings.kubernetes.kubeconfig)), module.RULES
