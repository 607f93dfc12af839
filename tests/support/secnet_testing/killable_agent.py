"""The real `secnet`, with an observer that records its steps or kills it at one of them.

    python -m secnet_testing.killable_agent record FILE agent --config ...
    python -m secnet_testing.killable_agent kill POINT FILE agent --config ...
    python -m secnet_testing.killable_agent obey ORDER FILE agent --config ...

FILE gets one JSON line a step, as soon as the step was done; before it kills, the observer writes POINT to it, so that the
test knows that the point was reached. With `obey`, steps pass unseen until the file ORDER exists; it holds the POINT, counted
from then on. The product has no switch for this: observers are an argument of `serve`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secnet.agent.cli import agent
from secnet.agent.cli.program import build_parser
from secnet.contract import StepObserver, to_json
from secnet_conformance.forkserver import Entry
from secnet_conformance.steps import At, StepCounter, StepPoint, die

__all__ = [
    "RecordedStep",
    "kill_points",
    "killer",
    "main",
    "obedient",
    "program",
    "read_steps",
    "recorder",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStep:
    """A step that a process did: which of its name it was, and the facts it gave."""

    name: str
    number: int
    facts: Mapping[str, Any]


class _Recorder:
    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._numbered = StepCounter()

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        self._numbered.begin(name)

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        step = {"name": name, "number": self._numbered.end(name)[name], "facts": to_json(facts)}
        os.write(self._file, f"{json.dumps(step)}\n".encode())


class _Obedient:
    def __init__(self, order: Path, marker: Path) -> None:
        self._order = order
        self._marker = marker
        self._lock = threading.Lock()
        self._killer: At | None = None

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        with self._lock:
            if self._killer is None and self._order.exists():
                point = StepPoint.parse(self._order.read_text(encoding="utf-8"))
                self._killer = killer(point, self._marker)
        if self._killer is not None:
            self._killer.before(name, facts)

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        if self._killer is not None:
            self._killer.after(name, facts, seconds)


def killer(point: StepPoint, marker: Path) -> At:
    """An observer that ends its process with SIGKILL at the point, and says so in `marker` before."""

    def act(reached: StepPoint) -> None:
        marker.write_text(str(reached), encoding="utf-8")
        die(reached)

    return At(point, act)


def recorder(file: Path) -> StepObserver:
    """An observer that writes each step down once it was done."""
    return _Recorder(file)


def obedient(order: Path, marker: Path) -> StepObserver:
    """An observer that does nothing until the file `order` exists, and then is a `killer` at the point which that names."""
    return _Obedient(order, marker)


def program(*arguments: object) -> Entry:
    """What to run in place of `secnet`: the arguments of this module before `agent`, such as `program("record", file)`."""
    return Entry(module=__name__, arguments=tuple(map(str, arguments)))


def read_steps(file: Path) -> list[RecordedStep]:
    """The steps in a recorder's file, in the order in which they ended."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [RecordedStep(**json.loads(line)) for line in lines]


def kill_points(steps: list[RecordedStep]) -> list[StepPoint]:
    """Before and after each step of a clean run."""
    return [
        StepPoint(name=step.name, number=step.number, moment=moment) for step in steps for moment in ("before", "after")
    ]


def main(argv: list[str]) -> int:
    """The entry point; see the module."""
    observer: StepObserver
    if argv[0] == "record":
        observer, rest = recorder(Path(argv[1])), argv[2:]
    elif argv[0] == "kill":
        observer, rest = killer(StepPoint.parse(argv[1]), Path(argv[2])), argv[3:]
    elif argv[0] == "obey":
        observer, rest = obedient(Path(argv[1]), Path(argv[2])), argv[3:]
    else:
        raise SystemExit(f"{argv[0]!r} is none of record, kill and obey")
    arguments = build_parser().parse_args(rest)
    assert arguments.run is agent.serve, "only the agent takes observers"
    return int(agent.serve(arguments, observers=(observer,)))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
