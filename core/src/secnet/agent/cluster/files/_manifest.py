"""Files of manifests: which files of a directory are read, and what objects stand in one."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from secnet.contract import InvalidConfig, SecnetError

from ...base.os_errors import translated
from ...model.problem import InternalError
from ...text.documents import parse_json, parse_yaml
from ..interface import Object
from ..kinds import KINDS, UNUSED_KINDS, Kinds, ObjectKey, normalized

__all__ = [
    "MAX_BYTES",
    "FileContent",
    "Manifest",
    "Note",
    "is_manifest",
    "load_manifests",
    "parse_manifests",
    "read_text",
    "text_of",
]

MAX_BYTES = 16 * 1024 * 1024
"""The longest file of manifests."""

_SUFFIXES = (".yaml", ".yml", ".json")

Note = tuple[str, str]
"""Where, and what the reader might want to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One object as it was written; `line` is where it begins in the file."""

    object: Object
    file: Path
    line: int

    @property
    def source(self) -> str:
        """What the store remembers as the origin of the object: the file's path, links left as they are."""
        return str(self.file)

    @property
    def key(self) -> ObjectKey:
        """Which object."""
        meta = self.object["metadata"]
        return ObjectKey(self.object["kind"], meta.get("namespace", ""), meta["name"])

    @property
    def place(self) -> str:
        """`FILE:LINE`, for messages."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """What stands in a file."""

    manifests: tuple[Manifest, ...]
    notes: tuple[Note, ...] = ()


def is_manifest(name: str) -> bool:
    """Whether a file of this name is read: `.yaml`, `.yml` or `.json`, and not hidden, as editors hide their temporary files."""
    return name.endswith(_SUFFIXES) and not name.startswith(".")


def load_manifests(
    path: Path, on_note: Callable[[str, str], None] | None = None, kinds: Kinds = KINDS
) -> list[Manifest]:
    """The objects of one file, or of all manifest files of a directory (not of the directories in it), in name order.

    Documents of well-known kinds that secnet has no use for are left out, and reported to `on_note(where, what)`. Raises
    InvalidConfig with file, line and remedy for the first thing that is wrong; one object in two places is wrong too.
    """
    path = Path(os.path.abspath(path))
    with translated(path):
        is_directory = stat.S_ISDIR(os.stat(path).st_mode)
        files = sorted(path / name for name in os.listdir(path) if is_manifest(name)) if is_directory else [path]
    if not files:
        raise InvalidConfig(
            "there is no manifest in this directory", hint="add *.yaml or *.json files", subject=str(path)
        )
    contents = [parse_manifests(file, read_text(file), kinds) for file in files]
    for note in (note for content in contents for note in content.notes):
        if on_note is not None:
            on_note(*note)
    manifests = [manifest for content in contents for manifest in content.manifests]
    _refuse_repeated(manifests)
    return manifests


def read_text(path: Path) -> str:
    """The text of a regular file. Raises a SecnetError that names the file."""
    with translated(path):
        # O_NONBLOCK: opening a FIFO with the name of a manifest must not wait for its writer.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise InvalidConfig(
                    "this is not a regular file", hint="give it another name or place", subject=str(path)
                )
            with open(fd, "rb", closefd=False) as file:
                data = file.read(MAX_BYTES + 1)
        finally:
            os.close(fd)
    return text_of(data, str(path))


def text_of(data: bytes, name: str) -> str:
    """The text of a file of this name, of which MAX_BYTES and one more were read. Raises InvalidConfig that names it."""
    if len(data) > MAX_BYTES:
        raise InvalidConfig(
            f"this file is larger than {MAX_BYTES // 2**20} MiB", hint="split it into several files", subject=name
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise InvalidConfig(
            f"this is not UTF-8 text ({exc.reason})", hint="save it as UTF-8", subject=f"{name}:{line}"
        ) from exc


def parse_manifests(file: Path, text: str, kinds: Kinds = KINDS) -> FileContent:
    """The objects in a file's text. Raises InvalidConfig for the first that is none, or InternalError: the file counts as a
    whole."""
    try:
        documents = parse_json(text) if file.suffix == ".json" else parse_yaml(text)
    except SecnetError as exc:
        place = ":".join(filter(None, (str(file), exc.path.removeprefix("line "))))
        raise InvalidConfig(exc.message, hint=exc.hint, subject=place) from exc
    manifests, notes = [], []
    for document in documents:
        place = f"{file}:{document.line}"
        kind = document.value.get("kind") if isinstance(document.value, dict) else None
        if isinstance(kind, str) and kind in UNUSED_KINDS and kind not in kinds:
            notes.append((place, f"secnet has no use for a {kind}"))
            continue
        subject = f"{place}: {_called(document.value)}".removesuffix(": ")
        try:
            manifests.append(Manifest(object=normalized(document.value, kinds), file=file, line=document.line))
        except SecnetError as exc:
            raise InvalidConfig(exc.message, hint=exc.hint, subject=subject, path=exc.path) from exc
        except Exception as exc:
            raise InternalError(exc, subject=subject) from exc
    _refuse_repeated(manifests)
    return FileContent(manifests=tuple(manifests), notes=tuple(notes))


def _refuse_repeated(manifests: Iterable[Manifest]) -> None:
    first: dict[ObjectKey, Manifest] = {}
    for manifest in manifests:
        earlier = first.setdefault(manifest.key, manifest)
        if earlier is not manifest:
            raise InvalidConfig(
                f"this object stands in {earlier.place} already",
                hint="keep one of the two, or give one another name or namespace",
                subject=f"{manifest.place}: {manifest.key}",
            )


def _called(document: object) -> str:
    """Kind and name of a document as far as it has them."""
    if not isinstance(document, dict):
        return ""
    meta = document.get("metadata")
    name = meta.get("name") if isinstance(meta, dict) else None
    return " ".join(str(part) for part in (document.get("kind"), name) if isinstance(part, str) and part)
