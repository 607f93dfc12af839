"""Commands that plugins bring: found by entry point, loaded when asked for, and never in the way of ours."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from importlib.metadata import EntryPoint

import pytest
from secnet.agent.cli.program import build_parser
from secnet.agent.plugins.commands import COMMANDS_GROUP, PluginCommands
from secnet.contract import Command, ContractViolation


class Audit(Command):
    """Says how often it was asked to."""

    summary = "look at 100% of it"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--times", type=int, default=1)

    def run(self, arguments: argparse.Namespace) -> int:
        return int(arguments.times)


class Unfinished(Command):
    """Has no run."""

    summary = "nothing yet"


def source(**entries: str) -> PluginCommands:
    """Commands by name; `_` stands for `-`, and `2` at the end for a second provider."""

    def found(group: str) -> Iterable[EntryPoint]:
        assert group == COMMANDS_GROUP
        names = [(name.removesuffix("2").replace("_", "-"), value) for name, value in entries.items()]
        return [EntryPoint(name=name, value=value, group=group) for name, value in names]

    return PluginCommands(["apply"], found)


def test_a_command_runs_with_its_arguments() -> None:
    commands = source(foo_audit=f"{__name__}:Audit")
    assert commands.names == ["foo-audit"]
    parser = build_parser((), {"foo-audit": commands.load("foo-audit")})
    arguments = parser.parse_args(["foo-audit", "--times", "3"])
    assert arguments.run(arguments) == 3
    assert "look at 100% of it" in parser.format_help()


def test_the_cores_own_name_is_not_taken() -> None:
    commands = source(apply=f"{__name__}:Audit")
    assert (commands.names, len(commands.ignored)) == ([], 1)
    assert "the command apply of" in commands.ignored[0]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (f"{__name__}:Nothing", "cannot be loaded: AttributeError"),
        ("no_such_module:Audit", "cannot be loaded: ModuleNotFoundError"),
        (f"{__name__}:source", "no subclass of secnet.contract.Command"),
        (f"{__name__}:Unfinished", "cannot be loaded: TypeError"),
        ("nonsense", "does not name a class"),
    ],
)
def test_one_that_cannot_be_used_says_why(value: str, words: str) -> None:
    with pytest.raises(ContractViolation, match=words):
        source(audit=value).load("audit")


def test_of_two_providers_none_is_taken() -> None:
    with pytest.raises(ContractViolation, match="provided more than once"):
        source(audit=f"{__name__}:Audit", audit2=f"{__name__}:Unfinished").load("audit")
