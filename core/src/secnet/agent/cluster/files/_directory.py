"""A directory of manifests as the source of objects, polled.

What is done when:

- A version of a file counts once two looks in a row found the same one (device, inode, size, times, behind all links).
  Until then, and while it cannot be read or parsed or holds one object that is wrong, what the file last said stays in force.
- A file counts as a whole: one bad document, and none of its changes are made.
- An object goes when its file is gone in two looks, or when a version that counts no longer names it, and no other file of the
  directory names it either. Nothing goes while any file is still changing: the object may be on its way from one to another.
- A file without a single character that held objects before is a truncated one, as is one that ends in the middle of a line
  where it went on before. To mean "no objects", remove the file, or leave a comment or `---` in it.
- An object in two files belongs to the first that had it.
- The store remembers which file each object came from, so all of this holds over a restart.
- An object that another process deletes from the store comes back when its file changes, or at the next start.

Only the directory itself is read, not the directories in it (`kubectl apply -f DIR` does the same).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from secnet.contract import ObjectNotFound, SecnetError

from ...base.os_errors import translated
from ...model.problem import InternalError, Problem
from ..kinds import ObjectKey
from ..problems import ProblemList, ProblemText, problem_text
from ._manifest import Manifest, is_manifest
from ._watched_file import WatchedFile, signature
from .store import FileStore

__all__ = ["ManifestDirectory"]

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.25
_LOOKS_UNTIL_GONE = 2


class ManifestDirectory:
    """Keeps a store as a directory says; see the module. Only one process at a time does this for one store."""

    def __init__(
        self,
        path: Path,
        store: FileStore,
        *,
        poll_seconds: float = _POLL_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = Path(os.path.abspath(path))
        self._store = store
        self._poll_seconds = poll_seconds
        self._problems = ProblemList(clock)
        self._files: dict[Path, WatchedFile] = {}
        self._applied: dict[ObjectKey, Manifest] = {}
        self._looks = 0
        self._dirty = True
        self._health: list[ProblemText] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="manifest-directory", daemon=True)

    def start(self) -> None:
        """Take what is there, which needs two looks, and go on looking in a thread."""
        self._guarded_look()
        self._stop.wait(self._poll_seconds)
        self._guarded_look()
        self._thread.start()

    def close(self) -> None:
        """Stop looking; the objects stay. May be called twice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the directory and its files now, and notes about them."""
        return self._problems.current()

    def look(self) -> None:
        """One scan of the directory, and all that follows from it. Not to be called beside a started thread."""
        try:
            names = self._names()
        except SecnetError as exc:
            self._problems.update([problem_text(exc, str(self.path))])
            return
        self._look_at_files(names)
        self._looks += 1
        if self._dirty and self._looks >= _LOOKS_UNTIL_GONE:
            self._reconcile()
        self._problems.update([*self._file_problems(), *self._health])

    def _run(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            self._guarded_look()

    def _guarded_look(self) -> None:
        try:
            self.look()
        except Exception:
            _log.exception("looking at %s failed; it is tried again", self.path)

    def _names(self) -> list[Path]:
        with translated(self.path):
            return [self.path / name for name in sorted(os.listdir(self.path)) if is_manifest(name)]

    def _look_at_files(self, names: Iterable[Path]) -> None:
        present = set(names)
        for path in sorted(present):
            file = self._files.setdefault(path, WatchedFile(path, self._store.kinds))
            if file.look(signature(path), self._held_by):
                self._dirty = True
        for path in sorted(set(self._files) - present):
            file = self._files[path]
            file.missing += 1
            if file.missing >= _LOOKS_UNTIL_GONE:
                del self._files[path]
                self._dirty = True

    def _held_by(self, path: Path) -> bool:
        return str(path) in self._store.sources().values()

    def _reconcile(self) -> None:
        """Make the store as the files say."""
        sources = self._store.sources()
        owners, self._health = self._owners(sources)
        for key in [key for key in self._applied if key not in owners]:
            del self._applied[key]
        done = self._apply(owners)
        if any(file.pending for file in self._files.values()):
            done = False  # nothing is removed yet
        else:
            done = self._take_away(sources, owners) and done
        self._dirty = not done

    def _owners(self, sources: dict[ObjectKey, str]) -> tuple[dict[ObjectKey, Manifest], list[ProblemText]]:
        """Which manifest counts for each object, and what to say about the others that name it."""
        named: dict[ObjectKey, list[Manifest]] = {}
        for _, file in sorted(self._files.items()):
            for manifest in file.manifests or ():
                named.setdefault(manifest.key, []).append(manifest)
        owners: dict[ObjectKey, Manifest] = {}
        repeated: list[ProblemText] = []
        for key, manifests in named.items():
            holder = sources.get(key, "")
            owner = next((manifest for manifest in manifests if manifest.source == holder), None)
            if owner is None and not self._unread(holder):
                owner = manifests[0]
            if owner is not None:
                owners[key] = owner
            place = owner.place if owner else holder
            repeated.extend(_repeated(manifest, place) for manifest in manifests if manifest is not owner)
        return owners, repeated

    def _unread(self, source: str) -> bool:
        """Whether this is a file of ours that could not be read since the start: it may still name what it named before."""
        file = self._files.get(Path(source))
        return file is not None and file.manifests is None

    def _apply(self, owners: dict[ObjectKey, Manifest]) -> bool:
        done = True
        for key, manifest in sorted(
            owners.items(), key=lambda item: item[0].kind == "Pod"
        ):  # what Pods need goes first
            known = self._applied.get(key)
            if known is not None and (known.object, known.source) == (manifest.object, manifest.source):
                continue
            try:
                self._store.apply(manifest.object, manifest.source)
                self._applied[key] = manifest
            except SecnetError as exc:
                done = False
                self._health.append(problem_text(exc, f"{manifest.place}: {key}"))
            except Exception as exc:  # one object that meets a fault of our own must not keep the others waiting
                done = False
                _log.debug("%s cannot be applied", key, exc_info=exc)
                self._health.append(problem_text(InternalError(exc), f"{manifest.place}: {key}"))
        return done

    def _take_away(self, sources: dict[ObjectKey, str], owners: dict[ObjectKey, Manifest]) -> bool:
        done = True
        for key, source in sorted(self._orphans(sources, owners), key=lambda item: item[0].kind != "Pod"):
            try:
                self._store.delete(key.kind, key.name, key.namespace, source=source)
            except ObjectNotFound:
                continue
            except SecnetError as exc:
                done = False
                self._health.append(problem_text(exc, f"{source}: {key}"))
        return done

    def _orphans(
        self, sources: dict[ObjectKey, str], owners: dict[ObjectKey, Manifest]
    ) -> Iterator[tuple[ObjectKey, str]]:
        for key, source in sources.items():
            path = Path(source)
            ours = path.parent == self.path and is_manifest(path.name)
            if ours and key not in owners and not self._unread(source):
                yield key, source

    def _file_problems(self) -> Iterator[ProblemText]:
        for path, file in sorted(self._files.items()):
            if file.error is not None:
                yield problem_text(file.error, str(path), "; what this file said before stays in force")
            for place, text in file.notes:
                yield ProblemText(place, text, "", note=True)


def _repeated(manifest: Manifest, place: str) -> ProblemText:
    return ProblemText(
        f"{manifest.place}: {manifest.key}",
        f"this object stands in {place} already, and that one counts",
        "keep one of the two, or give one another name or namespace",
    )
