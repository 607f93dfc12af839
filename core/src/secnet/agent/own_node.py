"""Whether the API server knows a Node of our name: with a wrong name no Pod is ever ours, and nothing else would say so.

The Node's content is not needed, and so it is not watched: the kubelet renews it every few seconds, which a thousand agents
would all be told of. Nor does its end matter to an agent that runs there: its Pods go with it, one by one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from secnet.contract import MissingPrivilege, ObjectNotFound, SecnetError

from .cluster.base import ApiReader, Problem
from .cluster.problems import ProblemList, Said

__all__ = ["OwnNode"]

_MEND = "correct nodeName in the node configuration, or NODE_NAME: it is the name of the Node object"
_BY_HAND = "see by `kubectl get node {}` whether nodeName is right, or allow the agent to get nodes"


class OwnNode:
    """What the last look found. Thread-safe, but for `look`, which one thread calls.

    reader: None where there is no Kubernetes API. relisted: how often the watch of the Pods began anew.
    """

    def __init__(
        self,
        reader: ApiReader | None,
        name: str,
        *,
        relisted: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reader = reader
        self._name = name
        self._relisted = relisted
        self._found_at: int | None = None
        self._problems = ProblemList(clock)
        self._lock = threading.Lock()
        self._missing = ""

    def look(self) -> bool:
        """One GET until the Node is found, and one after each time that the Pods were listed anew. False to look again soon."""
        now = self._relisted()
        if self._reader is None or self._found_at == now:
            return True
        subject = f"Node {self._name}"
        try:
            self._reader.get(f"/api/v1/nodes/{self._name}")
        except ObjectNotFound:
            self._tell(Said(subject, "there is none of this name: no Pod is served here", _MEND))
            return False
        except MissingPrivilege as exc:
            hint = _BY_HAND.format(self._name)
            self._tell(Said(subject, f"cannot be looked up: {exc.message}", hint, note=True))
            return True
        except SecnetError:
            return False  # the API does not answer: said by the source of the objects
        self._found_at = now
        self._tell(None)
        return True

    def missing(self) -> str:
        """Why no Pod can be served here, in a sentence; empty when the Node was found or could not be looked up."""
        with self._lock:
            return self._missing

    def problems(self) -> tuple[Problem, ...]:
        """The same for people to read, or a note that it cannot be told."""
        return self._problems.current()

    def _tell(self, problem: Said | None) -> None:
        self._problems.update([] if problem is None else [problem])
        text = "" if problem is None or problem.note else f"{problem.source}: {problem.message}; {problem.hint}"
        with self._lock:
            self._missing = text
