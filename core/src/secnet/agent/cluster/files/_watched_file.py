"""One file of a watched directory: when a version of it counts, and what it last said that made sense."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from secnet.contract import InvalidConfig, SecnetError

from ...model.problem import InternalError
from ..kinds import KINDS, Kinds
from ._manifest import Manifest, Note, parse_manifests, read_text

__all__ = ["Signature", "WatchedFile", "signature"]

_log = logging.getLogger(__name__)

Signature = tuple[int, ...]


def signature(path: Path) -> Signature:
    """What differs between two versions of a file, behind all links; of a file that cannot be read, why."""
    try:
        stat = os.stat(path)
    except OSError as exc:
        return (exc.errno or -1,)
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


class WatchedFile:
    """What is known about a file.

    manifests: what it last said; None while nothing was understood since the process began.
    pending: its newest version was only seen once so far.
    error: why its newest version does not count.
    missing: in how many looks in a row it was not there.
    """

    def __init__(self, path: Path, kinds: Kinds = KINDS) -> None:
        self.path = path
        self._kinds = kinds
        self.manifests: tuple[Manifest, ...] | None = None
        self.notes: tuple[Note, ...] = ()
        self.error: SecnetError | None = None
        self.pending = True
        self.missing = 0
        self._signature: Signature = ()
        self._settled = False
        self._text = ""

    def look(self, seen: Signature, held: Callable[[Path], bool]) -> bool:
        """Take note of the signature seen now, and read the file once it was the same twice; True if it says something new.

        held: whether the store holds objects from this file, asked only when the file is empty and nothing is known of it.
        """
        self.missing = 0
        if seen != self._signature:
            self._signature, self.pending, self._settled = seen, True, False
            return False
        if self._settled:
            return False
        before = self.manifests
        try:
            text = read_text(self.path)
            if signature(self.path) != seen:
                return False  # written to while it was read: the next look begins again
            self._refuse_truncated(text, held)
            content = parse_manifests(self.path, text, self._kinds)
        except SecnetError as exc:
            return self._refuse(exc, again=exc.retryable and not isinstance(exc, InternalError))
        except Exception as exc:  # a fault of our own must not keep the other files from being read
            _log.debug("%s cannot be read", self.path, exc_info=exc)
            return self._refuse(InternalError(exc, subject=str(self.path)), again=False)
        self.manifests, self.notes, self.error, self._text = content.manifests, content.notes, None, text
        self.pending, self._settled = False, True
        return self.manifests != before

    def _refuse(self, error: SecnetError, *, again: bool) -> bool:
        self.error, self.notes = error, ()
        self.pending, self._settled = False, not again
        return False

    def _refuse_truncated(self, text: str, held: Callable[[Path], bool]) -> None:
        if not text.strip():
            if self.manifests or (self.manifests is None and held(self.path)):
                raise InvalidConfig(
                    "this file is empty, but held objects before",
                    hint="write it again; if no objects are meant, remove the file or leave a comment in it",
                    subject=str(self.path),
                )
            return
        cut = len(text) < len(self._text) and self._text.startswith(text)
        if cut and not text.endswith("\n") and not self._text[len(text) :].startswith(("\n", "\r\n")):
            raise InvalidConfig(
                "this file ends in the middle of a line where it went on before",
                hint="finish writing it; if it is meant to end there, end its last line with a line feed",
                subject=str(self.path),
            )
