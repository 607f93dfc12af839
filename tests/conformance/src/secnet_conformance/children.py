"""Calls into a plugin in processes of their own, each of which may be killed at a step."""

from __future__ import annotations

import dataclasses
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secnet.contract import HostContext, to_json

from .netns import Namespace
from .steps import StepPoint

__all__ = ["Children", "Outcome"]

_GRACE_SECONDS = 5.0
"""What a process may take longer than the deadline of its Call."""

_IMPATIENT_SECONDS = 5.0
"""What each gets in all, once one of a plugin's did not end."""

_START_SECONDS = 60.0
"""To import the plugin."""

_END_SECONDS = 10.0
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
        self._running: subprocess.Popen[str] | None = None

    def _start(self) -> subprocess.Popen[str]:
        """The process that forks the others: a new one if there is none, or it died."""
        if self._running is None or self._running.poll() is not None:
            self.close()
            name = f"{self._plugin.__module__}:{self._plugin.__qualname__}"
            argv = [sys.executable, "-m", "secnet_conformance.zygote", name]
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            self._running = subprocess.Popen(
                argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        return self._running

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
            "host": _host_json(host),
            "netns": namespace.path if namespace else "",
            "method": method,
            "plain": plain,
            "objects": str(objects) if objects else "",
            "kill": str(kill) if kill else "",
            "seconds": seconds,
            "limit": limit,
        }
        tasks = [
            {**common, "arguments": [(type(item).__name__, to_json(item)) for item in arguments]} for arguments in calls
        ]
        answers = json.loads(self._ask(json.dumps(tasks), limit + _START_SECONDS))
        self._patient = self._patient and not any(answer.pop("late", False) for answer in answers)
        return [_outcome(answer) for answer in answers]

    def _ask(self, line: str, seconds: float) -> str:
        """Send a line and wait for the answer. Without one the process is ended, so that the next call has a new one."""
        running = self._start()
        assert running.stdin is not None
        assert running.stdout is not None
        with suppress(BrokenPipeError):
            running.stdin.write(line + "\n")
            running.stdin.flush()
        ready, _, _ = select.select([running.stdout], [], [], seconds)
        answer = running.stdout.readline() if ready else ""
        if answer:
            return answer
        self.close()
        how = f"ended (status {running.returncode})" if ready else f"gave no answer in {seconds:.0f} s"
        raise AssertionError(f"the process that imports the plugin {how}; its messages are above")

    def close(self) -> None:
        """End the process that forks the others."""
        running, self._running = self._running, None
        if running is None:
            return
        with suppress(BrokenPipeError):
            if running.stdin is not None:
                running.stdin.close()
        try:
            running.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        if running.stdout is not None:
            running.stdout.close()


def _host_json(host: HostContext) -> dict[str, Any]:
    fields = {field.name: getattr(host, field.name) for field in dataclasses.fields(host)}
    return to_json({key: str(value) if key in _PATHS and value is not None else value for key, value in fields.items()})  # type: ignore[no-any-return]


def _outcome(answer: dict[str, Any]) -> Outcome:
    killed = answer.pop("signal")
    assert killed in (0, signal.SIGKILL), f"the child ended by signal {killed}"
    return Outcome(**{**answer, "steps": tuple(answer.get("steps", ()))}, killed=bool(killed))
