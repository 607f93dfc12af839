"""Write the generated parts of the documentation: docs/configuration.md from the schemas, docs/cli.md from the command line.

    python docs/generate.py            write them
    python docs/generate.py --check    change nothing; exit 1 and name the files that are not what would be written

Only the distributions of this workspace are documented, whatever else is installed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secnet.agent.cli.program import parser_for
from secnet.agent.config.examine import node_schema
from secnet.agent.plugins.plugin import LoadedPlugin
from secnet.agent.plugins.registry import Registry
from secnet.agent.text.options import Option, options_of
from secnet.contract import DriverInfo, load_fragment, thaw

DOCS = Path(__file__).resolve().parent
OURS = ("secnet-vlan", "secnet-sriov", "secnet-ipam")
MARK = "<!-- Written by docs/generate.py (`make docs`): change the schemas or the parser, not this file. -->"

Row = tuple[str, str, str, str, str]


def pages() -> dict[str, str]:
    """Name and text of every generated page. Ends the program if a plugin of ours cannot be loaded: its part would be missing."""
    registry = Registry.load()
    if broken := [str(problem.error) for problem in registry.problems if problem.distribution in OURS]:
        sys.exit("\n".join(broken))
    return {"configuration.md": configuration_page(registry), "cli.md": cli_page()}


def main() -> int:
    """Write the pages, or compare them."""
    parser = argparse.ArgumentParser(description="Write the generated parts of docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    parser.add_argument("--to", type=Path, default=DOCS, metavar="DIR", help="folder of the pages (default: this one)")
    arguments = parser.parse_args()
    stale = []
    for name, text in pages().items():
        file = arguments.to / name
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not arguments.check:
            file.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"docs: {name} {'is out of date: run make docs' if arguments.check else 'written'}")
    return int(arguments.check and bool(stale))


# --- The configuration reference -------------------------------------------------------------------------------------


def configuration_page(registry: Registry) -> str:
    """The reference of every key: node configuration, NAD config, IPAM section."""
    of_ours = {name: plugin for name, plugin in sorted(registry.drivers.items()) if plugin.distribution in OURS}
    ours = dataclasses.replace(registry, drivers=of_ours)
    node = node_schema(ours)
    nad = load_fragment("secnet.agent.networks", "nad.json")
    drivers = list(ours.drivers.values())
    backends = [plugin for _, plugin in sorted(registry.backends.items()) if plugin.distribution in OURS]
    lines = [
        "# Configuration reference",
        MARK,
        "Every key is checked by a JSON schema of its owner: the core, a driver or an IPAM backend. Unknown keys are refused, "
        "with the nearest known one. `secnet validate FILE` checks offline; `secnet drivers NAME` prints the options of what "
        "is installed on your machine, which may be more than is listed here.",
        "In the first column a dot leads into an object and `[]` into a list.",
        "## Node configuration",
        "Given by `--config`. " + node["description"],
        *table(node),
    ]
    for plugin in drivers:
        lines += [f"### Node configuration: drivers.{plugin.name}", plugin.info.node["description"]]
        lines += table(plugin.info.node, f"drivers.{plugin.name}.")
    lines += ["## NetworkAttachmentDefinition", nad["description"], *table(nad)]
    for plugin in drivers:
        lines += [f"### Options of networkType: {plugin.name}", summary(plugin), *table(plugin.info.options)]
        lines += example({"networkType": plugin.name, **thaw(plugin.info.example)})
    lines += ["## The section ipam", "Which keys it has besides `type` is up to the backend that `type` names."]
    for backend in backends:
        lines += [f"### Keys of ipam.type: {backend.name}", summary(backend), *table(backend.info.config, "ipam.")]
        lines += example({"networkType": "vlan", "ipam": {"type": backend.name, **thaw(backend.info.example)}})
    return "\n\n".join(lines) + "\n"


def summary(plugin: LoadedPlugin[Any]) -> str:
    """What a plugin is, where it comes from and what it honours of the annotation, and the NAD's mtu."""
    honours = ", ".join(f"`{name}`" for name in sorted(plugin.info.capabilities - {"mtu"})) or "nothing"
    text = f"{sentence(plugin.info.summary)} From the distribution `{plugin.distribution}`. "
    text += f"Of the annotation's optional requests it honours: {honours}."
    if isinstance(plugin.info, DriverInfo):
        text += f" It {'honours' if 'mtu' in plugin.info.capabilities else 'refuses'} the NAD's `mtu`."
    return text[0].upper() + text[1:]


def example(config: Mapping[str, Any]) -> list[str]:
    """A config to start from, as the plugin itself gives it."""
    return [
        "Example:",
        "```json\n" + json.dumps({"cniVersion": "1.1.0", "type": "antrea", **config}, indent=2) + "\n```",
    ]


def table(fragment: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The keys of one fragment, nested ones under their parents."""
    rows = [_row(option) for option in options_of(fragment, prefix, literal=_code)]
    if not rows:
        return ["It has no keys of its own."]
    header: Row = ("Key", "Type", "Default", "Meaning", "Example")
    parts = [header, ("---",) * 5, *rows]
    return ["\n".join(f"| {' | '.join(part)} |" for part in parts)]


def _row(option: Option) -> Row:
    default = "required" if option.required else _code(option.default) if option.has_default else ""
    example = _code(option.examples[0]) if option.examples else ""
    return f"`{option.key}`", option.type, default, _cell(sentence(option.meaning)), example


def _code(value: Any) -> str:
    return f"`{_cell(json.dumps(value) if not isinstance(value, str) else value)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def sentence(text: str) -> str:
    """The text with a full stop."""
    return text if not text or text.endswith(".") else f"{text}."


# --- The command line --------------------------------------------------------------------------------------------------


def cli_page() -> str:
    """The reference of every command. Written from the parser itself: the text of --help differs between Python versions."""
    parser = parser_for(())
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    helps = {action.dest: action.help or "" for action in commands._choices_actions}
    lines = ["# Command line reference", MARK, _plain(parser.description), _fenced(_plain(parser.epilog))]
    rows = [f"| [`secnet {name}`](#secnet-{name}) | {text} |" for name, text in helps.items()]
    lines.append("\n".join(["| Command | What it does |", "| --- | --- |", *rows]))
    for name, command in commands.choices.items():
        lines += _command(f"## secnet {name}", command)
    return "\n\n".join(lines) + "\n"


def _command(heading: str, command: argparse.ArgumentParser) -> list[str]:
    """A command; of a group, its commands below it."""
    inside = [action for action in command._actions if isinstance(action, argparse._SubParsersAction)]
    lines = [heading, _plain(command.description)]
    lines += [] if inside else [_fenced(_usage(command)), _arguments(command)]
    if command.epilog:
        lines.append(sentence(_plain(command.epilog)[0].upper() + _plain(command.epilog)[1:]))
    for name, child in (item for action in inside for item in action.choices.items()):
        lines += _command(f"#{heading} {name}", child)
    return lines


def _plain(text: str | None) -> str:
    return (text or "").strip()


def _fenced(text: str) -> str:
    return f"```text\n{text}\n```"


def _usage(command: argparse.ArgumentParser) -> str:
    options = [action for action in command._actions if action.option_strings and action.dest != "help"]
    words = [f"[{_spelling(action)}]" for action in options]
    for action in (action for action in command._actions if not action.option_strings):
        word = str(action.metavar or action.dest)
        words.append(f"[{word}]" if action.nargs == "?" else f"{word}..." if action.nargs == "+" else word)
    return " ".join([command.prog, *words])


def _spelling(action: argparse.Action, every: bool = False) -> str:
    names = ", ".join(action.option_strings) if every else action.option_strings[-1]
    if action.nargs == 0:
        return names
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    return f"{names} {value}"


def _arguments(command: argparse.ArgumentParser) -> str:
    rows = ["| Argument | Meaning |", "| --- | --- |"]
    for action in command._actions:
        if action.dest == "help":
            continue
        word = _spelling(action, every=True) if action.option_strings else str(action.metavar or action.dest)
        text = (action.help or "how to print").replace("%%", "%")
        rows.append(f"| `{_cell(word)}` | {_cell(sentence(text))} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
