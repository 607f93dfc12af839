"""`secnet validate`: check manifests and node configuration offline."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from secnet.contract import InvalidConfig, SecnetError

from ..cluster.files.cluster import MAX_BYTES, read_text, text_of
from ..config.layers import read_drop_ins
from ..model.problem import InternalError
from ..plugins.registry import Registry
from ..text.documents import parse_json, parse_yaml
from ..validate.offline import Document, Finding, check_documents, looks_like_settings

__all__ = ["add_parser", "run"]

_STDIN = Path("-")
_SUFFIXES = (".yaml", ".yml", ".json")


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "validate",
        help="check manifests and node configuration, offline",
        description="Check NetworkAttachmentDefinitions, Pods (their networks annotation; also in the templates of Deployments "
        "and the like), IPPools and node configuration, any number of documents a file, against each other and against the "
        "options of the installed drivers and IPAM backends. Needs no cluster, no Open vSwitch and no root.",
        epilog="One line a finding: FILE:LINE: KIND NAMESPACE/NAME: PATH: what is wrong; what to do. LINE is where the document "
        "begins. Lines marked `note` are worth knowing but no findings. Exit status: 0 no findings; 1 findings.",
    )
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        type=Path,
        help="a file, or a directory whose *.yaml, *.yml and *.json are taken; - is standard input",
    )
    parser.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        action="append",
        default=[],
        type=Path,
        help="the same, as other tools spell it",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        action="append",
        default=[],
        type=Path,
        help="a node configuration, whatever its keys look like; as with `secnet agent`, drop-ins beside it (node.d/ for "
        "node.yaml) are checked with it",
    )
    parser.add_argument("--json", action="store_true", help="print findings as a JSON object")
    parser.set_defaults(run=run, refuse=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Print findings; 1 when there are any."""
    paths = [*arguments.files, *arguments.filename, *arguments.config]
    if not paths:
        arguments.refuse("name files or directories, or - for standard input")
    registry = Registry.load()
    for problem in registry.problems:
        print(f"secnet: {problem.error}", file=sys.stderr)
    findings: list[Finding] = []
    documents: list[Document] = []
    files = list({file if file == _STDIN else file.resolve(): file for file in _files(paths, findings)}.values())
    for file in files:
        if file in arguments.config:
            documents.extend(_configuration(file, findings))
            continue
        found = _documents(file, findings)
        is_settings = any(looks_like_settings(item.data, registry) for item in found)
        documents.extend(_with_drop_ins(found, file, findings) if is_settings else found)
    if not documents and not findings:
        findings.append(Finding(file=str(paths[0]), message="nothing to check", hint="name a file with objects"))
    findings.extend(check_documents(documents, registry))
    wrong = [finding for finding in findings if not finding.note]
    if arguments.json:
        data = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps({"files": len(files), "objects": len(documents), "findings": data}, indent=2))
    else:
        for finding in findings:
            print(finding)
        print(_summary(len(documents), len(files), len(wrong), len(findings) - len(wrong)))
    return 1 if wrong else 0


def _files(paths: Sequence[Path], findings: list[Finding]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())
        if not inside:
            hint = f"name a directory that holds {', '.join(_SUFFIXES)} files; folders in it are not looked into"
            findings.append(Finding(file=str(path), message="the directory holds no manifests", hint=hint))
        yield from inside


def _documents(file: Path, findings: list[Finding]) -> list[Document]:
    try:
        text = text_of(sys.stdin.buffer.read(MAX_BYTES + 1), "-") if file == _STDIN else read_text(file)
        found = parse_json(text) if file.suffix == ".json" else parse_yaml(text)
    except InvalidConfig as exc:
        findings.append(Finding(file=str(file), path=exc.path, message=exc.message, hint=exc.hint))
    except SecnetError as exc:
        hint = "name a file that exists and that you may read"
        findings.append(Finding(file=str(file), message=f"cannot be read: {exc.message}", hint=hint))
    except Exception as exc:
        error = InternalError(exc)
        findings.append(Finding(file=str(file), message=error.message, hint=error.hint))
    else:
        return [Document(file=str(file), line=item.line, data=item.value) for item in found]
    return []


def _configuration(file: Path, findings: list[Finding]) -> list[Document]:
    """What `secnet agent` would read. An empty file is a configuration, and one that is missing beside drop-ins too."""
    empty = [Document(file=str(file), line=1, data={})]
    if file == _STDIN or file.exists():
        return _with_drop_ins(_documents(file, findings) or empty, file, findings)
    found = _with_drop_ins(empty, file, findings)
    return found if any(document.beneath for document in found) else _documents(file, findings)


def _with_drop_ins(documents: list[Document], file: Path, findings: list[Finding]) -> list[Document]:
    """The documents of a node configuration, each with the drop-ins beside the file."""
    try:
        beneath = () if file == _STDIN else tuple(read_drop_ins(file))
    except InvalidConfig as exc:
        findings.append(Finding(file=str(file), object=exc.subject, path=exc.path, message=exc.message, hint=exc.hint))
        return []
    return [dataclasses.replace(document, is_settings=True, beneath=beneath) for document in documents]


def _summary(documents: int, files: int, wrong: int, notes: int) -> str:
    result = _count(wrong, "finding") if wrong else "no findings"
    extra = f", {_count(notes, 'note')}" if notes else ""
    return f"{_count(documents, 'object')} in {_count(files, 'file')}: {result}{extra}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
