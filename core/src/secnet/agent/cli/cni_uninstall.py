"""`secnet cni-uninstall`: take the CNI plugin out of the runtime's configuration, before the agent goes for good."""

from __future__ import annotations

import argparse
from typing import Any

from secnet.contract import InvalidConfig

from ..cni.chain_keeper import installation
from ..cni.install_flag import InstallFlag
from ._common import add_config_options, load_all

__all__ = ["add_parser", "run"]


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "cni-uninstall",
        help="take the CNI plugin out of the runtime's configuration",
        description="Take the entry of secnet-cni out of the configuration in cni.confDir, so that Pods start without the "
        "agent. An agent that runs leaves it out until it is restarted, and attaches Pods as it sees them. Living "
        "attachments and the program stay. Run it on each node before the agent goes for good, not for an upgrade.",
        epilog="exit status: 0 the entry is not there (any more); 1 it could not be taken out.",
    )
    add_config_options(parser, state_dir=False)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Take it out; that it is not there is success."""
    _, settings = load_all(arguments, warn=False)
    if settings.cni is None or settings.cni.conf_dir is None:
        raise InvalidConfig(
            "it does not say where the runtime's configuration lies",
            hint="give the configuration that the agent had",
            subject="node configuration",
            path="$.cni.confDir",
        )
    InstallFlag(settings.run_dir).turn_off(installation(settings.cni).remove)
    print(f"no network in {settings.cni.conf_dir} has secnet-cni any more")
    return 0
