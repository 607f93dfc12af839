"""`secnet new-driver`: a project to begin a network type of one's own from."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from secnet.agent.plugins.registry import DRIVERS_GROUP, Registry
from secnet.contract import Command, Conflict

from . import DriverProject

__all__ = ["NewDriver"]


class NewDriver(Command):
    """See `Command`; the kit's entry point in the group `secnet.commands`."""

    summary = "write a project to begin a driver from"
    description = (
        "Write a complete Python project for a network type of your own: package, entry point, options schema, a driver whose "
        "TODOs say what to fill in, the tests of the conformance kit, a CI script. As written it installs, is listed by "
        "`secnet drivers` as not ready, and passes what the kit can test of it. docs/writing-a-driver.md leads from there to a "
        "driver that works."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """See `Command.add_arguments`."""
        parser.add_argument("name", metavar="NAME", help="the networkType, such as linux-bridge")
        parser.add_argument(
            "--directory",
            type=Path,
            metavar="DIR",
            help="where to write it; missing or empty (default: ./DISTRIBUTION)",
        )
        parser.add_argument("--distribution", metavar="DISTRIBUTION", help="name of the package (default: secnet-NAME)")

    def run(self, arguments: argparse.Namespace) -> int:
        """Write the project, and say what to do next."""
        name, given = arguments.name, arguments.distribution
        project = DriverProject(network_type=name, distribution=f"secnet-{name}" if given is None else given)
        _require_free(name)
        project.require_unknown()
        folder = arguments.directory or Path(project.distribution)
        for file in project.write(folder):
            print(f"wrote {file}")
        print(
            f"\nNext, where WHEELS is the folder with the wheels of secnet (see docs/writing-a-driver.md):\n"
            f"  cd {shlex.quote(str(folder))}\n"
            f"  pip install --no-index --find-links WHEELS --no-build-isolation -e '.[test]'\n"
            f"  pytest\n"
            f"Then fill in the TODOs, beginning with number 1 in src/{project.module}/options.json."
        )
        return 0


def _require_free(name: str) -> None:
    """Two drivers of one name make both unusable, so that is said before any work goes into the second."""
    registry = Registry.load()
    found = registry.drivers.get(name) or registry.problem(DRIVERS_GROUP, name)
    if found is not None:
        raise Conflict(
            f"the network type {name} is provided by {found.distribution} {found.version} already",
            hint="choose another name, or uninstall that distribution first",
        )
