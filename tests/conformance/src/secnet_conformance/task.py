"""One call into a plugin, in a process of its own: what `secnet_conformance.children` has forked for each.

A process makes a new instance, as the agent does after a restart, and ends with its one call. The task is a file of JSON; the
outcome, the fields of `Outcome` and the modules that the call imported, is written to another.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import secnet.contract as contract
from secnet.agent.cluster.files.store import FileStore
from secnet.agent.cluster.kinds import with_plugins
from secnet.contract import Call, HostContext, SecnetError, StepObserver, from_json, to_json

from .steps import At, Recorder, StepPoint, die

__all__ = ["main"]

_PATHS = ("run_dir", "sysfs_root", "proc_root", "state_dir")


def main(arguments: Sequence[str]) -> int:
    """Perform the task of the first file, write its outcome to the second, and end this process."""
    task, outcome = map(Path, arguments)
    text = _perform(json.loads(task.read_text(encoding="utf-8")))
    outcome.write_text(text, encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # whatever threads the plugin has left


def _perform(task: dict[str, Any]) -> str:
    """The outcome as JSON."""
    recorder, known = Recorder(), set(sys.modules)
    try:
        value = _call(task, recorder)
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


def _call(task: dict[str, Any], recorder: Recorder) -> Any:
    module, _, name = task["plugin"].partition(":")
    plugin: Any = reduce(getattr, name.split("."), importlib.import_module(module))
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
