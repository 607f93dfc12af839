"""A command of a plugin: `secnet NAME`, through the entry-point group `secnet.commands`, whose entry-point name is NAME.

[project.entry-points."secnet.commands"]
foo-audit = "secnet_foo.audit:Audit"
"""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from typing import ClassVar

__all__ = ["Command"]


class Command(ABC):
    """Made without arguments when the command is asked for or listed. Its import should be cheap: `secnet --help` does it.

    summary: what it does, in a few words, for the list of commands. description, epilog: for its own `--help`.
    """

    summary: ClassVar[str]
    description: ClassVar[str] = ""
    epilog: ClassVar[str] = ""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options and arguments. The name `run` is taken."""

    @abstractmethod
    def run(self, arguments: argparse.Namespace) -> int:
        """Do it, and give the exit status: 0 done, 1 something is wrong and said so.

        Called once, in the main thread, with no deadline: a person waits, and may interrupt it. Raises only errors of
        `secnet.contract.errors`, which are printed as one line.
        """
