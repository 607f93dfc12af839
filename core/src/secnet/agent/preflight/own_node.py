"""Whether the API server knows a Node of our name, and whether it is this machine's: with a wrong name no Pod is ever ours, or
those of another node are taken for ours, and nothing else would say so.

The Node is not watched: the kubelet renews it every few seconds, which a thousand agents would all receive. Nor does its end
matter to an agent that runs there: its Pods go with it, one by one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any

from secnet.contract import ErrorInfo, MissingPrivilege, NotReady, ObjectNotFound, SecnetError

from ..cluster.interface import ApiReader
from ..cluster.problems import ProblemList, ProblemText
from ..model.problem import Problem

__all__ = ["OwnNode", "boot_of"]

_REMEDY = "correct nodeName in the node configuration, or NODE_NAME: it is the name of the Node object"
_BY_HAND = "see by `kubectl get node {}` whether nodeName is right, or allow the agent to get nodes"
_WAIT = f"wait for two minutes; if it stays, {_REMEDY}"
_KUBELET_SECONDS = 120.0  # within which a kubelet reports a new boot


class _Found(Enum):
    UNKNOWN = auto()  # no answer yet
    OURS = auto()
    ANOTHERS = auto()
    UNCONTRADICTED = auto()  # no boot id, no such Node, no right to see it, or no API: nothing speaks against it


class OwnNode:
    """What the last look found. Thread-safe, but for `look`, which one thread calls.

    reader: None where there is no Kubernetes API. boot_id: the kernel's, of this machine; empty to compare nothing. relisted: how
    often the informer of the Pods relisted. forbid: gets the verdict of each look, the reason or None.
    """

    def __init__(
        self,
        reader: ApiReader | None,
        name: str,
        *,
        boot_id: str = "",
        relisted: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.time,
        forbid: Callable[[ErrorInfo | None], None] = lambda refusal: None,
    ) -> None:
        self._reader = reader
        self._forbid = forbid
        self._name = name
        self._subject = f"Node {name}"
        self._boot_id = boot_id
        self._relisted = relisted
        self._clock = clock
        self._found_at: int | None = None
        self._differs_since: float | None = None
        self._problems = ProblemList(clock)
        self._lock = threading.Lock()
        self._found = _Found.UNCONTRADICTED if reader is None else _Found.UNKNOWN
        self._missing: NotReady | None = None

    def look(self) -> bool:
        """One GET until the Node is found, and one after each relist of the Pods. False to read again soon."""
        now = self._relisted()
        if self._reader is None or self._found_at == now:
            return True
        try:
            node = self._reader.get(f"/api/v1/nodes/{self._name}")
        except ObjectNotFound:
            self._report(
                _Found.UNCONTRADICTED,
                ProblemText(self._subject, "there is none of this name: no Pod is served here", _REMEDY),
            )
            return False
        except MissingPrivilege as exc:
            hint = _BY_HAND.format(self._name)
            self._report(
                _Found.UNCONTRADICTED, ProblemText(self._subject, f"cannot be read: {exc.message}", hint, note=True)
            )
            return True
        except SecnetError:
            return False  # the API does not answer: said by the source of the objects
        boot = boot_of(node)
        if boot and self._boot_id and boot != self._boot_id:
            self._report(_Found.ANOTHERS, self._difference(boot))
            return False
        self._found_at = now
        self._differs_since = None
        self._report(_Found.OURS if boot and self._boot_id else _Found.UNCONTRADICTED, None)
        return True

    def may_begin(self) -> bool:
        """Whether Pods may be reconciled: not before an answer came, and not while the Node is another machine's."""
        with self._lock:
            return self._found in (_Found.OURS, _Found.UNCONTRADICTED)

    def is_another(self) -> bool:
        """Whether the Node is another machine's, as far as is known."""
        with self._lock:
            return self._found is _Found.ANOTHERS

    def is_sure(self) -> bool:
        """Whether the Node is surely this machine's, and so every Pod of it."""
        with self._lock:
            return self._found is _Found.OURS

    def refusal(self) -> ErrorInfo | None:
        """Why nothing may be attached, while the Node is another machine's."""
        with self._lock:
            refusal = self._missing if self._found is _Found.ANOTHERS else None
        if refusal is None:
            return None
        return NotReady(refusal.message, hint=refusal.hint, subject=refusal.subject).info

    def missing(self) -> str:
        """Why no Pod can be served here, in a sentence; empty when the Node was found or could not be looked up."""
        with self._lock:
            refusal = self._missing
        return "" if refusal is None else f"{refusal.subject}: {refusal.message}; {refusal.hint}"

    def problems(self) -> tuple[Problem, ...]:
        """The same for people to read, or a note that it is unknown."""
        return self._problems.current()

    def _difference(self, boot: str) -> ProblemText:
        """After a boot the Node has the id of the last one until the kubelet reports this one: that is no error yet."""
        if self._differs_since is None:
            self._differs_since = self._clock()
        if self._clock() - self._differs_since < _KUBELET_SECONDS:
            text = (
                "is another machine's, or its kubelet has not reported this boot yet: no Pod is served here meanwhile"
            )
            return ProblemText(self._subject, text, _WAIT, note=True)
        text = f"is another machine's: its bootID is {boot}, here it is {self._boot_id}: no Pod is served here"
        return ProblemText(self._subject, text, _REMEDY)

    def _report(self, found: _Found, problem: ProblemText | None) -> None:
        self._problems.update([] if problem is None else [problem])
        hinders = problem is not None and (found is _Found.ANOTHERS or not problem.note)
        with self._lock:
            self._found = found
            self._missing = (
                NotReady(problem.message, hint=problem.hint, subject=problem.source) if problem and hinders else None
            )
        self._forbid(self.refusal())


def boot_of(node: Mapping[str, Any]) -> str:
    """The boot id that its kubelet reported; empty without one."""
    return str(((node.get("status") or {}).get("nodeInfo") or {}).get("bootID") or "")
