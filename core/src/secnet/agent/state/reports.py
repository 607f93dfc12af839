"""What became of each network of each Pod, for `secnet status`, for a waiting `secnet apply`, and for the next process.

One JSON file per Pod under `runDir/reports`, replaced by rename: readers need no lock and no running agent.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from secnet.contract import from_json, to_json

from ..model.problem import Problem
from ..model.report import NodeState, PodReport, SingleReport
from ._file_names import json_file

__all__ = ["Reports"]

T = TypeVar("T")


class Reports:
    """The report files. Writers hold the run directory's lock; readers may be any process."""

    def __init__(self, run_dir: Path) -> None:
        self._pods = run_dir / "reports"
        self._node = run_dir / "node"
        self._single = run_dir / "single.json"
        self._problems = run_dir / "problems.json"

    def write(self, report: PodReport) -> None:
        """Put a Pod's report on disk."""
        data = to_json(report) | {"updated": int(time.time())}
        _replace(self._path(report.pod.uid), data)

    def write_first(self, report: PodReport) -> None:
        """Put a Pod's report on disk if there is none yet. A run directory without room leaves it out."""
        path = self._path(report.pod.uid)
        if path.exists():
            return
        temporary = path.with_suffix(f".{threading.get_ident()}.tmp")
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(to_json(report) | {"updated": int(time.time())}), encoding="utf-8")
            try:
                os.link(temporary, path)  # unlike a rename it never replaces the report of a worker that was quicker
            finally:
                temporary.unlink(missing_ok=True)

    def has(self, uid: str) -> bool:
        """Whether a Pod's report is on disk."""
        return os.path.exists(self._path(uid))

    def remove(self, uid: str) -> None:
        """Forget a Pod that is gone."""
        self._path(uid).unlink(missing_ok=True)

    def _path(self, uid: str) -> Path:
        return self._pods / json_file(uid)

    def pods(self) -> tuple[PodReport, ...]:
        """All readable Pod reports, by namespace and name."""
        found = [report for path in self._pods.glob("*.json") if (report := _read(PodReport, path)) is not None]
        return tuple(sorted(found, key=lambda report: (report.pod.namespace, report.pod.name)))

    def write_node(self, state: NodeState) -> None:
        """Put a driver's per-node state on disk."""
        _replace(self._node / json_file(state.network_type), to_json(state))

    def node(self) -> tuple[NodeState, ...]:
        """The per-node state of all drivers."""
        found = (_read(NodeState, path) for path in sorted(self._node.glob("*.json")))
        return tuple(state for state in found if state is not None)

    def write_single(self, reports: Iterable[SingleReport]) -> None:
        """Put on disk what deviates of single networks: all of it."""
        _replace(self._single, to_json(tuple(reports)))

    def single(self) -> tuple[SingleReport, ...]:
        """What deviated of single networks at the last check."""
        return _read_list(SingleReport, self._single)

    def write_problems(self, problems: Iterable[Problem]) -> None:
        """Put what is wrong with the source of the objects on disk."""
        _replace(self._problems, to_json(tuple(problems)))

    def problems(self) -> tuple[Problem, ...]:
        """What was last wrong with the source of the objects."""
        return _read_list(Problem, self._problems)


def _replace(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(data), encoding="utf-8")
    os.replace(temporary, path)


def _read(cls: type[Any], path: Path) -> Any:
    try:
        return from_json(cls, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return None  # gone or being replaced by an incompatible version: readers show what there is


def _read_list(cls: type[T], path: Path) -> tuple[T, ...]:
    try:
        return tuple(from_json(cls, item) for item in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return ()
