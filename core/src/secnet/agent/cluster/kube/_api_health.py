"""What is wrong between the agent and the API server, each with the time since when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

from secnet.contract import MissingPrivilege, NotReady, SecnetError

from ...base.clock import rfc3339
from ...model.problem import Problem
from ._requests import Request

__all__ = ["ApiHealth"]

_UNREACHABLE = "unreachable"
_UNKNOWN = "unknown"


class ApiHealth:
    """Thread-safe. A problem keeps its time until the same kind of request succeeds."""

    def __init__(self, server: str, clock: Callable[[], float]) -> None:
        self._server = server
        self._clock = clock
        self._lock = threading.Lock()
        self._current: dict[Hashable, Problem] = {}

    def unreachable(self, error: SecnetError) -> None:
        """A request got no answer."""
        self._set(
            _UNREACHABLE, f"API server {self._server}", "cannot be reached since {since}: " + error.message, error
        )

    def answered(self) -> None:
        """A request got an answer, whichever."""
        with self._lock:
            self._current.pop(_UNREACHABLE, None)

    def refused(self, request: Request, error: SecnetError) -> None:
        """A request got an answer that another input of this agent cannot help: no rights, or no such resource."""
        what = f"{request.verb} {request.resource}"
        words = "is forbidden: " if isinstance(error, MissingPrivilege) else "fails: "
        key = _unknown(request) if isinstance(error, NotReady) else (request.verb, request.resource)
        self._set(key, what, words + error.message, error)

    def succeeded(self, request: Request) -> None:
        """A request was done as asked."""
        with self._lock:
            self._current.pop((request.verb, request.resource), None)
            self._current.pop(_unknown(request), None)

    def abandoned(self, request: Request) -> None:
        """No request of this kind is sent any more, so none would end its trouble."""
        self.succeeded(request)

    def unreached(self) -> str:
        """Why no request gets an answer now; empty while they do."""
        with self._lock:
            problem = self._current.get(_UNREACHABLE)
        return "" if problem is None else str(problem)

    def unknown(self) -> str:
        """Which resources the API server does not know; empty if none."""
        with self._lock:
            return "; ".join(str(problem) for key, problem in self._current.items() if _is_unknown(key))

    def current(self) -> tuple[Problem, ...]:
        """All of them now."""
        with self._lock:
            return tuple(self._current.values())

    def _set(self, key: Hashable, source: str, message: str, error: SecnetError) -> None:
        with self._lock:
            known = self._current.get(key)
            since = known.since if known else rfc3339(self._clock())
            text = message.replace("{since}", since)
            self._current[key] = Problem(source=source, message=text, hint=error.hint, since=since)


def _unknown(request: Request) -> Hashable:
    """One problem for a resource, which any request for it ends."""
    return (_UNKNOWN, request.group, request.info.plural)


def _is_unknown(key: Hashable) -> bool:
    return isinstance(key, tuple) and key[0] == _UNKNOWN
