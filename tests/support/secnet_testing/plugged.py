"""`secnet` with a plugin in a folder of the test's among the installed ones: an entry of the fork server."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from secnet_conformance.forkserver import Entry

from .secnet_command import SECNET

__all__ = ["main", "plugged"]


def plugged(folder: Path) -> Entry:
    """`secnet` as if what lies in `folder`, modules and their metadata, were installed."""
    return Entry(module=__name__, arguments=(str(folder),))


def main(argv: Sequence[str]) -> int:
    """Run `secnet` with the arguments after the first, which is the folder. Returns the exit code."""
    from importlib import import_module

    folder, *arguments = argv
    sys.path.insert(0, folder)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))
    sys.argv[1:] = arguments
    return int(import_module(SECNET.module).main(arguments))
