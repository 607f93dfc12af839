"""The real `secnet`, with an observer that records its steps or kills it at one of them.

    python -m secnet_testing.killable record FILE agent --config ...
    python -m secnet_testing.killable kill POINT FILE agent --config ...
    python -m secnet_testing.killable obey ORDER FILE agent --config ...

FILE gets one JSON line a step, as soon as the step was done; before it kills, the observer writes POINT to it, so that the
test knows that the point was reached. With `obey`, steps pass unseen until the file ORDER exists; it holds the POINT, counted
from then on. The product has no switch for this: observers are an argument of `serve`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secnet.agent.cli import agent
from secnet.agent.cli.program import build_parser
from secnet.contract import StepObserver, to_json

__all__ = [
    "ANY",
    "KillPoint",
    "RecordedStep",
    "kill_points",
    "killer",
    "main",
    "obedient",
    "program",
    "read_steps",
    "recorder",
]

ANY = "*"
"""In the place of a step's name: counts all steps together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillPoint:
    """Just before or just after the `number`th step of a name in the life of a process; written `NAME#NUMBER:MOMENT`."""

    name: str
    number: int
    moment: str

    def __str__(self) -> str:
        return f"{self.name}#{self.number}:{self.moment}"

    @classmethod
    def parse(cls, text: str) -> KillPoint:
        """The opposite of `str`."""
        step, _, moment = text.rpartition(":")
        name, _, number = step.rpartition("#")
        if not name or moment not in ("before", "after"):
            raise ValueError(f"{text!r} is not NAME#NUMBER:before or NAME#NUMBER:after")
        return cls(name=name, number=int(number), moment=moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStep:
    """A step that a process did: which of its name it was, and the facts it gave."""

    name: str
    number: int
    facts: Mapping[str, Any]


class _Numbered:
    """Numbers the steps of each name; a step keeps its number from before to after, also beside other threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._running = threading.local()

    def begin(self, name: str) -> dict[str, int]:
        with self._lock:
            self._counts.update((name, ANY))
            numbers = {name: self._counts[name], ANY: self._counts[ANY]}
        self._stack().append(numbers)
        return numbers

    def end(self, name: str) -> dict[str, int]:
        # A step that failed never comes to its end: its numbers lie above those of the step around it.
        stack = self._stack()
        while stack:
            if name in (numbers := stack.pop()):
                return numbers
        return {}

    def _stack(self) -> list[dict[str, int]]:
        if not hasattr(self._running, "stack"):
            self._running.stack = []
        stack: list[dict[str, int]] = self._running.stack
        return stack


class _Recorder:
    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._numbered = _Numbered()

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        self._numbered.begin(name)

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        step = {"name": name, "number": self._numbered.end(name)[name], "facts": to_json(facts)}
        os.write(self._file, f"{json.dumps(step)}\n".encode())


class _Killer:
    def __init__(self, point: KillPoint, marker: Path) -> None:
        self._point = point
        self._marker = marker
        self._numbered = _Numbered()

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        self._look(self._numbered.begin(name), "before")

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        self._look(self._numbered.end(name), "after")

    def _look(self, numbers: Mapping[str, int], moment: str) -> None:
        if moment == self._point.moment and numbers.get(self._point.name) == self._point.number:
            self._marker.write_text(str(self._point), encoding="utf-8")
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()  # the signal ends the process before anything else of it runs


class _Obedient:
    def __init__(self, order: Path, marker: Path) -> None:
        self._order = order
        self._marker = marker
        self._lock = threading.Lock()
        self._killer: _Killer | None = None

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        with self._lock:
            if self._killer is None and self._order.exists():
                self._killer = _Killer(KillPoint.parse(self._order.read_text(encoding="utf-8")), self._marker)
        if self._killer is not None:
            self._killer.before(name, facts)

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        if self._killer is not None:
            self._killer.after(name, facts, seconds)


def recorder(file: Path) -> StepObserver:
    """An observer that writes each step down once it was done."""
    return _Recorder(file)


def killer(point: KillPoint, marker: Path) -> StepObserver:
    """An observer that ends its process with SIGKILL at the point, and says so in `marker` before."""
    return _Killer(point, marker)


def obedient(order: Path, marker: Path) -> StepObserver:
    """An observer that does nothing until the file `order` exists, and then is a `killer` at the point which that names."""
    return _Obedient(order, marker)


def program(*arguments: object) -> list[str]:
    """What to run in place of `secnet`: the arguments of this module before `agent`, such as `program("record", file)`."""
    folder = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))
    return ["env", f"PYTHONPATH={path}", sys.executable, "-m", "secnet_testing.killable", *map(str, arguments)]


def read_steps(file: Path) -> list[RecordedStep]:
    """The steps in a recorder's file, in the order in which they ended."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [RecordedStep(**json.loads(line)) for line in lines]


def kill_points(steps: list[RecordedStep]) -> list[KillPoint]:
    """Before and after each step of a clean run."""
    return [
        KillPoint(name=step.name, number=step.number, moment=moment) for step in steps for moment in ("before", "after")
    ]


def main(argv: list[str]) -> int:
    """The entry point; see the module."""
    observer: StepObserver
    if argv[0] == "record":
        observer, rest = recorder(Path(argv[1])), argv[2:]
    elif argv[0] == "kill":
        observer, rest = killer(KillPoint.parse(argv[1]), Path(argv[2])), argv[3:]
    elif argv[0] == "obey":
        observer, rest = obedient(Path(argv[1]), Path(argv[2])), argv[3:]
    else:
        raise SystemExit(f"{argv[0]!r} is none of record, kill and obey")
    arguments = build_parser().parse_args(rest)
    assert arguments.run is agent.serve, "only the agent takes observers"
    return int(agent.serve(arguments, observers=(observer,)))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
