"""A process that has imported a plugin and forks one child for each task: `python -m secnet_conformance.zygote MODULE:CLASS`.

A JSON line on stdin is a list of tasks, which run at once; the line on stdout is the list of their outcomes (`Outcome` of
`secnet_conformance.children`). A child makes a new instance, as the agent does after a restart, and ends with its one call;
starting Python anew for each would only be slower.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import traceback
from functools import reduce
from pathlib import Path
from typing import Any

import secnet.contract as contract
from secnet.agent.cluster.store import FileStore
from secnet.contract import Call, HostContext, SecnetError, StepObserver, from_json, to_json
from secnet.linux.netns import setns

from .steps import At, Recorder, StepPoint, die

__all__ = ["main"]


def main(reference: str) -> int:
    """Serve tasks until stdin ends."""
    module, _, name = reference.partition(":")
    plugin = reduce(getattr, name.split("."), importlib.import_module(module))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a plugin prints is for people, not for the protocol
    for line in sys.stdin:
        # All of a list are begun before the first is waited for: they run at once.
        begun = [_begin(plugin, task) for task in json.loads(line)]
        print(json.dumps([_finish(pid, reading) for pid, reading in begun]), file=answers, flush=True)
    return 0


def _begin(plugin: Any, task: dict[str, Any]) -> tuple[int, int]:
    """Fork a child for a task: its pid, and where its outcome can be read."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            json.dump(_perform(plugin, task), pipe)
            pipe.flush()
            os._exit(0)
    os.close(writing)
    return child, reading


def _finish(child: int, reading: int) -> dict[str, Any]:
    with os.fdopen(reading, encoding="utf-8") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    outcome: dict[str, Any] = json.loads(text) if text else {}
    for name in outcome.pop("loaded", ()):
        # Spares the next child what a plugin imports only when it needs it. Some modules cannot be imported by their name alone.
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    return {**outcome, "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}


def _perform(plugin: Any, task: dict[str, Any]) -> dict[str, Any]:
    recorder, known = Recorder(), set(sys.modules)
    try:
        value = _call(plugin, task, recorder)
        return {"value": to_json(value), "steps": recorder.names, "loaded": sorted(set(sys.modules) - known)}
    except SecnetError as exc:
        return {"reason": exc.reason, "message": str(exc), "steps": recorder.names}
    except BaseException:
        return {"reason": "crash", "message": traceback.format_exc(), "steps": recorder.names}


def _call(plugin: Any, task: dict[str, Any], recorder: Recorder) -> Any:
    if task["netns"]:
        with open(task["netns"]) as netns:
            setns(netns.fileno())
    fields = {**task["host"], **{key: Path(task["host"][key]) for key in ("run_dir", "sysfs_root", "proc_root")}}
    stores = [FileStore(Path(task["objects"]))] if task["objects"] else []
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
