"""What is checked offline, one document at a time, and what is found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from secnet.contract import ErrorInfo, one_line

from ..cluster.kinds import Kinds, object_key
from ..config.layers import Layer
from ..model.problem import InternalError

__all__ = ["Document", "Finding", "Item", "fault_of", "guarded", "of_document"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of a file; `line` is where it begins, from 1.

    is_settings: it is a node configuration, whatever its keys. beneath: the drop-ins beside it, if it is one.
    """

    file: str
    line: int
    data: Any
    is_settings: bool = False
    beneath: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something to correct; or, with `note`, something to know that may be right as it is."""

    file: str
    message: str
    line: int = 0
    object: str = ""
    path: str = ""
    hint: str = ""
    note: bool = False

    def __str__(self) -> str:
        """`file:line: Kind namespace/name: $.path: what is wrong; what to do`."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        parts = [where, "note" if self.note else "", self.object, self.path, self.message]
        text = ": ".join(part for part in parts if part)
        return one_line(f"{text}; {self.hint}" if self.hint else text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A document that is an object of a known kind."""

    document: Document
    obj: Mapping[str, Any]
    kinds: Kinds

    @property
    def name(self) -> str:
        """Kind, namespace and name."""
        meta = self.obj["metadata"]
        return str(object_key(self.obj["kind"], meta["name"], meta.get("namespace", ""), self.kinds))

    def finding(self, path: str, message: str, hint: str, *, note: bool = False) -> Finding:
        """Something about this object."""
        return Finding(
            file=self.document.file,
            line=self.document.line,
            object=self.name,
            path=path,
            message=message,
            hint=hint,
            note=note,
        )

    def error(self, info: ErrorInfo) -> Finding:
        """An error as a finding."""
        return self.finding(info.path, info.message, info.hint)


def of_document(document: Document, path: str, message: str, hint: str, *, note: bool = False) -> Finding:
    """Something about a document that may be no object."""
    name = _loose_name(document.data)
    return Finding(
        file=document.file, line=document.line, object=name, path=path, message=message, hint=hint, note=note
    )


def _loose_name(data: Any) -> str:
    """How to call a document that may be anything."""
    if not isinstance(data, Mapping):
        return ""
    meta = data.get("metadata")
    name = meta.get("name") if isinstance(meta, Mapping) else None
    return " ".join(part for part in (data.get("kind"), name) if isinstance(part, str) and part)


def fault_of(document: Document, exc: Exception) -> Finding:
    """A fault of secnet itself that a document meets: the others are checked all the same."""
    error = InternalError(exc)
    return of_document(document, "", error.message, error.hint)


def guarded(item: Item, findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings about an object, to which a fault of secnet itself belongs too."""
    try:
        yield from findings
    except Exception as exc:
        yield fault_of(item.document, exc)
