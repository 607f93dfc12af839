"""The Antrea agent of this cluster: with its own secondary networks on, it takes our addresses for leftovers and frees them.

It does so on every node, for entries of an IPPool that name a Pod of its node and are not in its own records. So nothing new is
attached beside it; what is attached already stays, because disconnecting Pods would not help.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import yaml

from secnet.contract import ErrorInfo, NotReady, ObjectNotFound, Retryable, SecnetError

from ..cluster.interface import ApiReader
from ..cluster.problems import ProblemList, ProblemText
from ..model.problem import Problem

__all__ = ["AntreaGuard", "AntreaState", "AntreaVerdict", "look_at_antrea"]

_NAMESPACE = "kube-system"
_DAEMONSET = "antrea-agent"
_CONFIG_MAP = "antrea-config"
_CONFIG_FILE = "antrea-agent.conf"
_GATE = "SecondaryNetwork"
_ALL = "AllAlpha"  # of which ours is one; its own word counts more
_BY_HAND = f"look for the feature gate {_GATE} in the ConfigMap {_CONFIG_MAP} of {_NAMESPACE} by hand"
_SUBJECT = f"DaemonSet {_NAMESPACE}/{_DAEMONSET}"
_SOON = "it is looked up again in a moment"


class AntreaState(Enum):
    """Of Antrea's secondary networks. HIDDEN: we may not look, or do not understand it. SILENT: the API does not answer."""

    OFF = auto()
    ON = auto()
    HIDDEN = auto()
    SILENT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class AntreaVerdict:
    """finding: the state in words. remedy: what to do about it; empty when all is well."""

    state: AntreaState
    finding: str
    remedy: str = ""


def look_at_antrea(api: ApiReader) -> AntreaVerdict:
    """What the configuration of Antrea's agent says. One GET where there is no Antrea, else two."""
    try:
        name = _config_map(api.get(f"/apis/apps/v1/namespaces/{_NAMESPACE}/daemonsets/{_DAEMONSET}"))
        if name is None:
            return _hidden("runs, but none of its volumes is its configuration")
        data = api.get(f"/api/v1/namespaces/{_NAMESPACE}/configmaps/{name}").get("data") or {}
        gates = (yaml.safe_load(data.get(_CONFIG_FILE, "")) or {}).get("featureGates") or {}
        on = gates.get(_GATE, gates.get(_ALL)) is True
    except ObjectNotFound:
        return AntreaVerdict(state=AntreaState.OFF, finding="none in this cluster")
    except Retryable as exc:
        return AntreaVerdict(state=AntreaState.SILENT, finding=f"cannot be read: {exc.message}", remedy=_BY_HAND)
    except SecnetError as exc:
        return _hidden(f"cannot be read: {exc.message}")
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        return _hidden("has a configuration that cannot be read")
    if not on:
        return AntreaVerdict(state=AntreaState.OFF, finding="runs without secondary networks")
    return AntreaVerdict(
        state=AntreaState.ON,
        finding="makes secondary networks itself, and would free our addresses",
        remedy=f"set featureGates.{_GATE} to false in the ConfigMap {name} and restart it",
    )


class AntreaGuard:
    """Whether anything new may be attached, as of the last look. Thread-safe, but for `look`, which one thread calls.

    reader: None where there is no Kubernetes API, and so no Antrea beside us. on_clear: called when it may be again.
    forbid: gets the verdict of each look, the reason or None.
    """

    def __init__(
        self,
        reader: ApiReader | None,
        *,
        on_clear: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
        forbid: Callable[[ErrorInfo | None], None] = lambda refusal: None,
    ) -> None:
        self._reader = reader
        self._forbid = forbid
        self._on_clear = on_clear
        self._problems = ProblemList(clock)
        self._lock = threading.Lock()
        self._seen_on = False
        self._refusal = (
            None if reader is None else _refusal("whether it makes secondary networks is not known yet", _SOON)
        )
        self._report()

    @property
    def needed(self) -> bool:
        """Whether there is anything to check."""
        return self._reader is not None

    def look(self) -> bool:
        """Look again. False when there was no answer: then what the last one said still holds.

        A state that cannot be read any more still holds, and is shown with the reason: otherwise it would be unclear why
        switching the feature off changes nothing here. Where it could never be seen, for lack of rights, work goes on with a
        note.
        """
        if self._reader is None:
            return True
        verdict = look_at_antrea(self._reader)
        if verdict.state is AntreaState.SILENT:
            return False
        if verdict.state is AntreaState.HIDDEN and self._seen_on:
            verdict = _out_of_sight(verdict)
        self._seen_on = verdict.state is AntreaState.ON
        self._problems.update(_problem_texts(verdict))
        with self._lock:
            before, self._refusal = self._refusal, _refusal(verdict.finding, verdict.remedy) if self._seen_on else None
        self._report()
        if before is not None and not self._seen_on:
            self._on_clear()
        return True

    def _report(self) -> None:
        with self._lock:
            refusal = self._refusal
        self._forbid(None if refusal is None else refusal.info)

    def refusal(self) -> str:
        """Why nothing new may be attached; empty when it may."""
        with self._lock:
            return "" if self._refusal is None else str(self._refusal)

    def problems(self) -> tuple[Problem, ...]:
        """The same for people to read, or a note that it is unknown."""
        return self._problems.current()

    def close(self) -> None:
        """End a look that waits for its answer."""
        if self._reader is not None:
            self._reader.close()


def _refusal(message: str, hint: str) -> NotReady:
    return NotReady(message, hint=hint, subject=_SUBJECT)


def _problem_texts(verdict: AntreaVerdict) -> list[ProblemText]:
    if verdict.state is AntreaState.OFF:
        return []
    if verdict.state is AntreaState.HIDDEN:
        return [ProblemText(_SUBJECT, verdict.finding, verdict.remedy, note=True)]
    return [ProblemText(_SUBJECT, f"{verdict.finding}: nothing new is attached", verdict.remedy)]


def _hidden(finding: str) -> AntreaVerdict:
    return AntreaVerdict(state=AntreaState.HIDDEN, finding=finding, remedy=_BY_HAND)


def _out_of_sight(verdict: AntreaVerdict) -> AntreaVerdict:
    return AntreaVerdict(
        state=AntreaState.ON,
        finding="made secondary networks itself when that could last be seen, and would free our addresses; now it "
        + verdict.finding,
        remedy="apply the ClusterRole of deploy/, or correct the configuration: the agent goes on when it sees the feature off",
    )


def _config_map(daemonset: Mapping[str, Any]) -> str | None:
    volumes = daemonset["spec"]["template"]["spec"].get("volumes") or ()
    names = [str((volume.get("configMap") or {}).get("name", "")) for volume in volumes]
    return next((name for name in names if name.startswith(_CONFIG_MAP)), None)
