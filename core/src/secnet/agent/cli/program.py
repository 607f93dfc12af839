"""Argument parsing and dispatch. Each command is a module with `add_parser`, which sets `run` as the default of its parser."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from secnet.contract import Command, ContractViolation, SecnetError, Unsupported

__all__ = ["build_parser", "main", "parser_for"]

_DESCRIPTION = """\
Secondary network interfaces for Kubernetes Pods.

A Pod asks with the annotation k8s.v1.cni.cncf.io/networks; a NetworkAttachmentDefinition (NAD)
of type "antrea" or "secnet" says which networkType; a driver makes the interface, an IPAM backend
gives it addresses."""

_EPILOG = """\
a first look:
  secnet drivers                    which network types are installed, and whether they can work here
  secnet drivers vlan               the options of one type, and a NAD to start from
  secnet validate DIR               check manifests and node configuration, offline
  secnet apply DIR --config FILE    reconcile the Pods of a directory of manifests, and wait
  secnet status                     what is attached where, and what is wrong
  secnet topology                   the same as a drawing, in text or as SVG
  secnet devices                    functions of network cards, and which Pod has which
  secnet doctor                     what would keep the agent from working on this node
  secnet delete DIR --config FILE   undo it

exit status: 0 done; 1 something is wrong, and the output says what; 2 the command line is wrong."""


_COMMANDS = (
    "apply",
    "delete",
    "get",
    "status",
    "topology",
    "devices",
    "doctor",
    "validate",
    "drivers",
    "agent",
    "cni-uninstall",
    "node",
)


_ELSEWHERE = {"new-driver": "secnet-conformance"}
"""Commands that distributions of ours bring which no node needs."""


def build_parser(
    commands: Sequence[str] = _COMMANDS, plugins: Mapping[str, Command] = MappingProxyType({})
) -> argparse.ArgumentParser:
    """The command line with these commands; each command's module is imported only for it, as that takes its time."""
    parser = argparse.ArgumentParser(
        prog="secnet", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"secnet {importlib.metadata.version('secnet')}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in commands:
        importlib.import_module(f".{command.replace('-', '_')}", __package__).add_parser(subparsers)
    for name, brought in plugins.items():
        added = subparsers.add_parser(
            name,
            help=brought.summary.replace("%", "%%"),
            description=brought.description.replace("%", "%%"),
            epilog=brought.epilog.replace("%", "%%"),
        )
        brought.add_arguments(added)
        added.set_defaults(run=brought.run)
    return parser


def parser_for(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for a command line: of one command where it is known which, and else of all, those of plugins too.

    Raises Unsupported for a command of a distribution of ours that is not installed.
    """
    if words and words[0] in _COMMANDS:
        return build_parser(words[:1])
    from ..plugins.commands import PluginCommands  # the search of all distributions takes its time

    found = PluginCommands(_COMMANDS)
    if words and words[0] in found.names:
        return build_parser((), {words[0]: found.load(words[0])})
    if words and words[0] in _ELSEWHERE:
        raise Unsupported(
            f"the command {words[0]} is not installed",
            hint=f"install the package {_ELSEWHERE[words[0]]}, which brings it",
        )
    usable: dict[str, Command] = {}
    for line in found.ignored:
        print(f"secnet: {line}", file=sys.stderr)
    for name in found.names:
        try:
            usable[name] = found.load(name)
        except ContractViolation as exc:
            print(f"secnet: {exc}", file=sys.stderr)
    return build_parser(_COMMANDS, usable)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors go to stderr as one line that says what to do."""
    try:
        return _run(argv)
    except SecnetError as exc:
        print(f"secnet: {exc}", file=sys.stderr)
        return 1
    except OSError as exc:
        if exc.filename is not None:
            raise  # a fault of ours: what works on files translates its errors. Those of stdout name none.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python writes at its end
        if not isinstance(exc, BrokenPipeError):  # the reader (`| head`) left: no failure
            print(f"secnet: the output cannot be written: {exc.strerror or exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("secnet: interrupted", file=sys.stderr)
        return 130


def _run(argv: Sequence[str] | None) -> int:
    """The exit status, once all output is written."""
    try:
        words = sys.argv[1:] if argv is None else argv
        arguments = parser_for(words).parse_args(words)
    except SystemExit:  # after --help and --version too
        _flush()
        raise
    code = int(arguments.run(arguments))
    _flush()
    return code


def _flush() -> None:
    if sys.stdout is not None:  # closed by the shell: `>&-`
        sys.stdout.flush()
