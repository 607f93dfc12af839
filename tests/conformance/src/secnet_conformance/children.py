"""Calls into a plugin in processes of their own, each of which may be killed at a step."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secnet.contract import HostContext, to_json

from .netns import Namespace
from .steps import StepPoint

__all__ = ["Children", "Outcome"]

_PATHS = ("run_dir", "sysfs_root", "proc_root")


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
        argv = [sys.executable, "-m", "secnet_conformance.zygote", f"{plugin.__module__}:{plugin.__qualname__}"]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._zygote = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

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
        seconds: float = 30.0,
    ) -> list[Outcome]:
        """Call a method once with each of these arguments, all at once, each in a process of its own.

        namespace: where the processes live. objects: directory of the object store that the instances are given. kill: the point
        at which each dies. seconds: the deadline of the Call.
        """
        common = {
            "host": _host_json(host),
            "netns": namespace.path if namespace else "",
            "method": method,
            "plain": plain,
            "objects": str(objects) if objects else "",
            "kill": str(kill) if kill else "",
            "seconds": seconds,
        }
        tasks = [
            {**common, "arguments": [(type(item).__name__, to_json(item)) for item in arguments]} for arguments in calls
        ]
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.write(json.dumps(tasks) + "\n")
        self._zygote.stdin.flush()
        line = self._zygote.stdout.readline()
        assert line, f"the process that imports the plugin ended (status {self._zygote.poll()}); its messages are above"
        return [_outcome(answer) for answer in json.loads(line)]

    def close(self) -> None:
        """End the process that forks the others."""
        if self._zygote.stdin is not None:
            self._zygote.stdin.close()
        self._zygote.wait(10)
        if self._zygote.stdout is not None:
            self._zygote.stdout.close()


def _host_json(host: HostContext) -> dict[str, Any]:
    fields = {field.name: getattr(host, field.name) for field in dataclasses.fields(host)}
    return to_json({key: str(value) if key in _PATHS else value for key, value in fields.items()})  # type: ignore[no-any-return]


def _outcome(answer: dict[str, Any]) -> Outcome:
    killed = answer.pop("signal")
    assert killed in (0, signal.SIGKILL), f"the child ended by signal {killed}"
    return Outcome(**{**answer, "steps": tuple(answer.get("steps", ()))}, killed=bool(killed))
