"""Calls into a plugin in processes of their own, each of which may be killed at a step."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secnet.contract import HostContext, to_json

from .forkserver import Entry, ForkedProcess, ForkServer
from .netns import Namespace
from .steps import StepPoint

__all__ = ["Children", "Outcome"]

_GRACE_SECONDS = 5.0
"""What a process may take longer than the deadline of its Call."""

_IMPATIENT_SECONDS = 5.0
"""What each gets in all, once one of a plugin's did not end."""

_TASK = Entry(module="secnet_conformance.task")
_PATHS = ("run_dir", "sysfs_root", "proc_root", "state_dir")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a call ended: with a value (JSON data), an error's reason and message, or killed. `steps` began, in this order."""

    value: Any = None
    reason: str = ""
    message: str = ""
    steps: tuple[str, ...] = ()
    killed: bool = False

    def expect(self, what: str) -> Any:
        """The value; an AssertionError says what failed."""
        assert not self.killed, f"{what}: the process was killed"
        assert not self.reason, f"{what}: {self.message}"
        return self.value


class Children:
    """Runs each call in a new process with a new instance of the plugin. Close it at the end.

    The class must be importable by its module and name: it is, once its distribution is installed.
    """

    def __init__(self, plugin: type) -> None:
        self._plugin = plugin
        self._patient = True
        self._server: ForkServer | None = None

    def call(self, host: HostContext, method: str, *arguments: Any, **how: Any) -> Outcome:
        """Call a method with contract objects, then `plain` JSON values, then a Call. `how`: see `call_each`."""
        return self.call_each(host, method, [arguments], **how)[0]

    def call_each(
        self,
        host: HostContext,
        method: str,
        calls: Sequence[Sequence[Any]],
        *,
        plain: tuple[Any, ...] = (),
        namespace: Namespace | None = None,
        objects: Path | None = None,
        kill: StepPoint | None = None,
        seconds: float = 15.0,
    ) -> list[Outcome]:
        """Call a method once with each of these arguments, all at once, each in a process of its own.

        namespace: where the processes live. objects: directory of the object store that the instances are given. kill: the point
        at which each dies. seconds: the deadline of the Call; a process that ends much later is killed: its outcome is an error.
        """
        limit = max(seconds, 0.0) + _GRACE_SECONDS if self._patient else _IMPATIENT_SECONDS
        common = {
            "plugin": f"{self._plugin.__module__}:{self._plugin.__qualname__}",
            "host": _host_json(host),
            "method": method,
            "plain": plain,
            "objects": str(objects) if objects else "",
            "kill": str(kill) if kill else "",
            "seconds": seconds,
        }
        server = self._running()
        netns = namespace.path if namespace else ""
        with tempfile.TemporaryDirectory(prefix="secnet-kit-") as folder:
            # All are started before the first is waited for: they run at once.
            begun = [
                _Child(
                    server,
                    {**common, "arguments": [(type(item).__name__, to_json(item)) for item in arguments]},
                    Path(folder, str(number)),
                    netns,
                    limit,
                )
                for number, arguments in enumerate(calls)
            ]
            answers = [child.answer() for child in begun]
        for answer in answers:
            if loaded := answer.pop("loaded", ()):
                server.preload(loaded)  # what a plugin imports only when it needs it: the next process has it
        self._patient = self._patient and not any(answer.pop("late", False) for answer in answers)
        return [Outcome(**{**answer, "steps": tuple(answer.get("steps", ()))}) for answer in answers]

    def close(self) -> None:
        """End the process that forks the others."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def _running(self) -> ForkServer:
        """The process that forks the others: a new one if there is none, or it died."""
        if self._server is None or not self._server.running:
            self.close()
            self._server = ForkServer.spawn([_TASK.module, self._plugin.__module__])
        return self._server


class _Child:
    """A process that does one task; its answer is a file, which a process that the plugin leaves behind cannot hold open."""

    def __init__(self, server: ForkServer, task: dict[str, Any], path: Path, netns: str, limit: float) -> None:
        self._limit = limit
        self._answer = path.with_suffix(".answer")
        path.write_text(json.dumps(task), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        # What a plugin prints is for people: it goes where messages go.
        self._process: ForkedProcess = server.start(
            _TASK, [str(path), str(self._answer)], stdout=2, stderr=2, netns=netns, environment=environment
        )
        self._end = time.monotonic() + limit

    def answer(self) -> dict[str, Any]:
        """The fields of its Outcome, and `late` for one that did not end by itself; waits for its end."""
        try:
            code = self._process.wait(max(self._end - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return {"late": True, "reason": "did not end", "message": f"it did not end in {self._limit:.0f} s"}
        if code < 0:
            assert code == -signal.SIGKILL, f"the child ended by signal {-code}"
            return {"killed": True}
        if not self._answer.exists():
            return {"reason": "crash", "message": f"its process ended with status {code} and no answer"}
        found: dict[str, Any] = json.loads(self._answer.read_text(encoding="utf-8"))
        return found


def _host_json(host: HostContext) -> dict[str, Any]:
    fields = {field.name: getattr(host, field.name) for field in dataclasses.fields(host)}
    return to_json({key: str(value) if key in _PATHS and value is not None else value for key, value in fields.items()})  # type: ignore[no-any-return]
