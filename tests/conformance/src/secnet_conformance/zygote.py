"""A process that has imported a plugin and forks one child for each task: `python -m secnet_conformance.zygote MODULE:CLASS`.

A JSON line on stdin is a list of tasks, which run at once; the line on stdout is the list of their outcomes (`Outcome` of
`secnet_conformance.children`). A child makes a new instance, as the agent does after a restart, and ends with its one call;
a new Python for each would only be slower. What is not over at its limit is killed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Iterable
from functools import reduce
from pathlib import Path
from typing import Any

import secnet.contract as contract
from secnet.agent.cluster.files.store import FileStore
from secnet.agent.cluster.kinds import with_plugins
from secnet.contract import Call, HostContext, SecnetError, StepObserver, from_json, to_json
from secnet.linux.netns import setns

from .steps import At, Recorder, StepPoint, die

__all__ = ["main"]

_PATHS = ("run_dir", "sysfs_root", "proc_root", "state_dir")


def main(reference: str) -> int:
    """Serve tasks until stdin ends."""
    module, _, name = reference.partition(":")
    plugin = reduce(getattr, name.split("."), importlib.import_module(module))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a plugin prints is for people, not for the protocol
    for line in sys.stdin:
        # All of a list are begun before the first is waited for: they run at once.
        begun = [_Child(plugin, task) for task in json.loads(line)]
        print(json.dumps(_await(begun)), file=answers, flush=True)
    return 0


class _Child:
    """A forked process that does one task; its answer comes through a pipe."""

    def __init__(self, plugin: Any, task: dict[str, Any]) -> None:
        self.seconds: float = task["limit"]
        self._end: float = time.monotonic() + self.seconds
        self._text = b""
        self.late = False
        self.reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.reading)
            with os.fdopen(writing, "w", encoding="utf-8") as pipe:
                pipe.write(_perform(plugin, task))
                pipe.flush()
                os._exit(0)
        os.close(writing)
        os.set_blocking(self.reading, False)
        self.ended = os.pidfd_open(self.pid)

    def left(self) -> float:
        """Seconds that it may still take."""
        return max(self._end - time.monotonic(), 0.0)

    def read(self) -> bool:
        """Take what is in the pipe; False at its end."""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self.reading, 1 << 16):
                self._text += piece
            return False
        return True

    def kill(self) -> None:
        """End what does not end by itself."""
        self.late = True
        os.kill(self.pid, signal.SIGKILL)

    def outcome(self) -> dict[str, Any]:
        """How it ended: by its end and not by that of the pipe, which a helper of the plugin may hold open."""
        _, status = os.waitpid(self.pid, 0)
        self.read()
        os.close(self.reading)
        os.close(self.ended)
        if self.late:
            return {
                "late": True,
                "reason": "did not end",
                "message": f"it did not end in {self.seconds:.0f} s",
                "signal": 0,
            }
        if os.WIFSIGNALED(status):
            return {"signal": os.WTERMSIG(status)}
        try:
            found: dict[str, Any] = json.loads(self._text)
        except ValueError:
            code = os.waitstatus_to_exitcode(status)
            return {"reason": "crash", "message": f"its process ended with status {code} and no answer", "signal": 0}
        _import(found.pop("loaded", ()))
        return {**found, "signal": 0}


def _await(children: list[_Child]) -> list[dict[str, Any]]:
    """Read from all until each has ended, or is over its time."""
    living = {child.ended: child for child in children}
    pipes = {child.reading: child for child in children}
    while living:
        ready, _, _ = select.select([*living, *pipes], [], [], min(child.left() for child in living.values()))
        for number in ready:
            if number in pipes and not pipes[number].read():
                del pipes[number]
            elif number in living:
                pipes.pop(living.pop(number).reading, None)
        for child in living.values():
            if not child.left() and not child.late:
                child.kill()
    return [child.outcome() for child in children]


def _import(names: Iterable[str]) -> None:
    """Spare the next child what a plugin imports only when it needs it."""
    for name in names:
        with contextlib.suppress(Exception):  # some modules cannot be imported by their name alone
            importlib.import_module(name)


def _perform(plugin: Any, task: dict[str, Any]) -> str:
    """Do a task; the outcome as JSON."""
    recorder, known = Recorder(), set(sys.modules)
    try:
        value = _call(plugin, task, recorder)
        loaded = sorted(set(sys.modules) - known)
        return _text(value, {"steps": recorder.names, "loaded": loaded})
    except SecnetError as exc:
        return json.dumps({"reason": exc.reason, "message": str(exc), "steps": recorder.names})
    except BaseException:
        return json.dumps({"reason": "crash", "message": traceback.format_exc(), "steps": recorder.names})


def _text(value: Any, more: dict[str, Any]) -> str:
    try:
        return json.dumps({"value": to_json(value), **more})
    except Exception as exc:
        raise TypeError(f"a {type(value).__name__} was returned that cannot be written as JSON: {exc}") from exc


def _call(plugin: Any, task: dict[str, Any], recorder: Recorder) -> Any:
    if task["netns"]:
        with open(task["netns"]) as netns:
            setns(netns.fileno())
    fields = {**task["host"], **{key: Path(task["host"][key]) for key in _PATHS if task["host"].get(key) is not None}}
    stores = [FileStore(Path(task["objects"]), kinds=with_plugins(plugin.describe().kinds))] if task["objects"] else []
    instance = plugin(HostContext(**fields), *stores)
    try:
        observers: list[StepObserver] = [recorder]
        if task["kill"]:
            observers.append(At(StepPoint.parse(task["kill"]), die))
        arguments = [from_json(getattr(contract, kind), data) for kind, data in task["arguments"]]
        call = Call.within(task["seconds"], observers=tuple(observers))
        return getattr(instance, task["method"])(*arguments, *task["plain"], call)
    finally:
        instance.close()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
