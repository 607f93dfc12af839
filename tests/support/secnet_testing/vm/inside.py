"""Inside a guest: import once what is slow to import, then run the tests named in a file and write down how each went.

    python -m secnet_testing.vm.inside FOLDER [PYTEST-OPTION...]

FOLDER holds `tests`, one node id a line; `reports` is written beside it, one JSON object a line, as soon as it is known.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from secnet_conformance.forkserver import ForkServer

from ..secnet_command import share

__all__ = ["PRELOAD", "Reporter", "main"]

# All that an agent imports when it begins, so that its processes begin at once.
PRELOAD = (
    "secnet.agent.cli.agent",
    "secnet.agent.cli.apply",
    "secnet.agent.cli.delete",
    "secnet.agent.cli.status",
    "secnet.ovs",
    "secnet_vlan",
    "secnet_sriov",
    "secnet_ipam",
    "secnet_testing.killable_agent",
    "secnet_testing.node_inspection",
)
PLUGINS = ("secnet_testing.vm.fixtures", "secnet_conformance.plugin")


class Reporter:
    """Writes one line for each phase of a test, and one when it is over."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            text = report.longrepr[2].removeprefix("Skipped: ")
        else:
            text = report.longreprtext
        self._write(
            id=report.nodeid,
            when=report.when,
            outcome=report.outcome,
            text=text,
            xfail=getattr(report, "wasxfail", None),
            sections=[[name, content] for name, content in report.sections if name.endswith(str(report.when))],
        )

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._write(id=nodeid, when="over")

    def _write(self, **content: Any) -> None:
        os.write(self._file, f"{json.dumps(content)}\n".encode())


def load_plugins_once() -> None:
    """Let every process forked later take the plugins that are found and judged here.

    Each would read the metadata of all installed distributions and check every schema, for ten seconds, to the same end. Loading
    them is tested outside; what a driver does with the kernel is what a guest is for.
    """
    from secnet.agent.plugins.registry import Registry

    loaded = Registry.load()
    assert not loaded.problems, loaded.problems
    setattr(Registry, "load", classmethod(lambda cls: loaded))  # noqa: B010 - mypy refuses the plain way to say it


def main(argv: list[str]) -> int:
    """The entry point; see the module."""
    folder, *options = argv
    plugins: list[object] = []
    arguments = [f"-c{Path(__file__).with_name('guest.ini')}", *options, f"@{folder}/tests"]
    if os.environ.get("SECNET_VM_PRELOAD"):
        arguments += [f"-p{name}" for name in PLUGINS]
        for name in PRELOAD:
            importlib.import_module(name)
        load_plugins_once()
    if "--collect-only" not in options:
        plugins.append(Reporter(Path(folder, "reports")))
        if os.environ.get("SECNET_VM_PRELOAD"):
            share(ForkServer.fork())  # it must be older than pytest
    return int(pytest.main(arguments, plugins))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
