"""`secnet topology`: the networks of this node as a drawing."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from secnet.contract import InvalidConfig

from ..state.reports import Reports
from ..topology import build, draw_svg, draw_text
from ._common import add_config_options, load_all
from ._presence import look_for_reconciler

__all__ = ["add_parser", "run"]


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "topology",
        help="draw the networks of this node",
        description="Draw this node's uplinks, bridges, VLANs and Pods with their interfaces and addresses; what is broken is "
        "red, and marked for those who see no colour. Reads the run directory; works beside a running agent and without one. "
        "Colour goes to a terminal only, and not if NO_COLOR is set.",
        epilog="exit status: 0 nothing is broken; 1 something is, an agent should reconcile here and does not, or the file "
        "cannot be written.",
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write a picture into this file instead")
    add_config_options(parser, state_dir=False)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the tree, or write the picture."""
    _, settings = load_all(arguments)
    reports = Reports(settings.run_dir)
    topology = build(settings.node_name, reports.node(), reports.pods())
    seen = look_for_reconciler(settings)
    bad = int(topology.broken or seen.missing)
    if arguments.svg is None:
        print(seen.line)
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        print(draw_text(topology, colour=colour, unicode=unicode), end="")
        return bad
    try:
        arguments.svg.write_text(draw_svg(topology), encoding="utf-8")
    except OSError as exc:
        raise InvalidConfig(
            f"cannot write {arguments.svg}: {exc.strerror}", hint="name a file in a directory that you may write"
        ) from exc
    print(seen.line, file=sys.stderr)
    return bad
