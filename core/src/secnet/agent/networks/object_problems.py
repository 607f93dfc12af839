"""What is wrong with NADs and IPPools, whether a Pod uses them or not: shown by `secnet status` before a Pod fails on it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from secnet.contract import SecnetError

from ..model.limits import DEFAULT_LIMITS, Limits
from ..model.problem import InternalError, Problem
from ..plugins.registry import Registry
from .nad import nad_ref, parse_nad

__all__ = ["ObjectProblems"]

_log = logging.getLogger(__name__)

_NAD = "NetworkAttachmentDefinition"

ObjectKey = tuple[str, str, str]
_Text = tuple[str, str, str]  # source, message and hint of a problem


class ObjectProblems:
    """Checks a NAD once, and the IPPools together when anything changed; thread-safe."""

    def __init__(self, registry: Registry, limits: Limits = DEFAULT_LIMITS) -> None:
        self._registry = registry
        self._limits = limits
        self._lock = threading.Lock()
        self._objects: dict[ObjectKey, Mapping[str, Any]] = {}
        self._since: dict[_Text, str] = {}
        self._found: tuple[Problem, ...] | None = ()
        self._of_nads: dict[ObjectKey, _Text | None] = {}  # of those that were checked

    def update(self, obj: Mapping[str, Any]) -> None:
        """Take a new or changed NAD or IPPool. A new status alone is no change."""
        key, slim = _key(obj), {name: value for name, value in obj.items() if name != "status"}
        with self._lock:
            before = self._objects.get(key)
            if before is None or _essence(before) != _essence(slim):
                self._found = None
                self._of_nads.pop(key, None)
            self._objects[key] = slim

    def remove(self, obj: Mapping[str, Any]) -> None:
        """Forget an object."""
        with self._lock:
            self._objects.pop(_key(obj), None)
            self._of_nads.pop(_key(obj), None)
            self._found = None

    def problems(self) -> tuple[Problem, ...]:
        """What is wrong now; cheap while nothing changed."""
        with self._lock:
            if self._found is None:
                found = [*self._check_nads(), *self._check_objects()]
                now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                self._since = {item: self._since.get(item, now) for item in found}
                self._found = tuple(
                    Problem(source=source, message=message, hint=hint, since=self._since[(source, message, hint)])
                    for source, message, hint in found
                )
            return self._found

    def _check_nads(self) -> Iterator[_Text]:
        for key, nad in sorted(self._objects.items(), key=lambda item: item[0]):
            if key[0] != _NAD:
                continue
            if key not in self._of_nads:
                error = self._of_nad(nad)
                self._of_nads[key] = None if error is None else _text_of(error, nad)
            problem = self._of_nads[key]
            if problem is not None:
                yield problem

    def _of_nad(self, nad: Mapping[str, Any]) -> SecnetError | None:
        try:
            parse_nad(nad, self._registry, self._limits)
        except SecnetError as exc:
            return exc
        except Exception as exc:  # one NAD must not hide what is wrong with all others
            _log.debug("%s %s cannot be checked", _NAD, nad_ref(nad), exc_info=exc)
            return InternalError(exc)
        return None

    def _check_objects(self) -> Iterator[_Text]:
        others = [obj for key, obj in sorted(self._objects.items()) if key[0] != _NAD]
        for name in self._registry.backends:
            try:
                for obj, path, message, hint in self._registry.object_findings(name, others):
                    yield f"{obj['kind']} {obj['metadata']['name']}", _at(path, message), hint
            except SecnetError as exc:
                _log.warning("the objects of IPAM type %s cannot be checked: %s", name, exc)


def _text_of(error: SecnetError, nad: Mapping[str, Any]) -> _Text:
    return error.subject or f"{_NAD} {nad_ref(nad)}", _at(error.path, error.message), error.hint


def _essence(obj: Mapping[str, Any]) -> tuple[Any, ...]:
    """What is checked: a NAD names its resource in an annotation."""
    return obj.get("spec"), obj["metadata"].get("annotations")


def _at(path: str, message: str) -> str:
    return f"{path}: {message}" if path else message


def _key(obj: Mapping[str, Any]) -> ObjectKey:
    meta = obj["metadata"]
    return obj["kind"], meta.get("namespace") or "", meta["name"]
