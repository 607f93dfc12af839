"""What a plugin does on import and on describe: `python -P inspection.py MODULE:CLASS` prints it as JSON.

A program of its own, because only a process that has imported nothing of secnet but the contract can show what an import brings.
It is run by its path: the kit's own package imports more than that. The outcome is described at `Inspection` of `package`.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any

from secnet.contract import BackendInfo, HostContext, ProbeReport, SecnetError, to_json

_READS = ("os.listdir", "os.scandir")
_ACTS = ("open", "os.", "shutil.", "socket.", "subprocess.", "tempfile.", "fcntl.", "_thread.start_new_thread", *_READS)
_NOWHERE = Path("/nonexistent/secnet-conformance")


class Watch:
    """An audit hook, which can never be removed: it records only while it is switched on."""

    def __init__(self) -> None:
        self._noting: list[str] | None = None
        self._reads = False
        sys.addaudithook(self._see)

    @contextmanager
    def noting(self, *, reads: bool) -> Iterator[list[str]]:
        """What is done on the machine meanwhile; reading of files counts only if `reads`."""
        self._noting, self._reads = [], reads
        try:
            yield self._noting
        finally:
            self._noting = None

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._noting is None or not event.startswith(_ACTS) or _is_import():
            return
        if not self._reads and (event in _READS or (event == "open" and not _writes(*arguments))):
            return
        self._noting.append(f"{event} {arguments[0] if arguments else ''}".strip())


def _writes(path: object, mode: object, flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _is_import() -> bool:
    """An import that a function does late is no I/O of the plugin."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


class NoStore:
    """An object store that must not be touched yet."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the constructor asked the object store ({name})")


def _resources() -> tuple[int, list[str]]:
    return threading.active_count(), sorted(os.listdir("/proc/self/fd"))


def _tried(work: Callable[[], Any]) -> str:
    try:
        work()
    except SecnetError as exc:
        return f"it raised {exc}"
    except BaseException:
        return traceback.format_exc()
    return ""


def _look_at(plugin: Any, watch: Watch) -> Iterator[tuple[str, Any]]:
    with watch.noting(reads=False) as acts:
        first, second = plugin.describe(), plugin.describe()
    yield "describe_acts", acts
    yield (
        "describe_same",
        first == second and json.dumps(to_json(first), default=str) == json.dumps(to_json(second), default=str),
    )
    host = HostContext(
        node_name="node1",
        run_dir=_NOWHERE / "run",
        sysfs_root=_NOWHERE / "sys",
        proc_root=_NOWHERE / "proc",
        ovsdb=f"unix:{_NOWHERE}/db.sock",
    )
    with_store = bool(first.kinds)
    before = _resources()
    with watch.noting(reads=True) as acts:
        plugin(host, NoStore()) if with_store else plugin(host)
    yield "construct_acts", acts
    yield "construct_left", [] if _resources() == before else [f"{before} became {_resources()}"]
    # No host is without /proc; all else may be missing.
    host = dataclasses.replace(host, proc_root=Path("/proc"))
    yield from _use(plugin(host, None) if isinstance(first, BackendInfo) else plugin(host))


def _use(instance: Any) -> Iterator[tuple[str, Any]]:
    answers: list[Any] = []
    yield "probe_fault", _tried(lambda: answers.append(instance.probe()))
    yield "probe_is_report", bool(answers) and isinstance(answers[0], ProbeReport)
    yield "close_fault", _tried(lambda: (instance.close(), instance.close()))


def main(reference: str) -> int:
    """Inspect one class."""
    module, _, name = reference.partition(":")
    before = set(sys.modules)
    plugin = reduce(getattr, name.split("."), importlib.import_module(module))
    outcome: dict[str, Any] = {"loaded": sorted(set(sys.modules) - before), "fault": ""}
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a plugin prints is for people
    try:
        outcome.update(_look_at(plugin, Watch()))
    except Exception:
        outcome["fault"] = traceback.format_exc()
    print(json.dumps(outcome), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
