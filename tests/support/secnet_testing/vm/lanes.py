"""The guests of a run of tests: some at once, each with the tests of one kind, and what they report.

A guest has one processor and waits a third of its time, so one more runs than the machine has cores; tests that come later in
the run's order are then over before they are asked for.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .apt import PrepareError
from .image import Image, prepare
from .machine import Guest, GuestFailed, Hardware

__all__ = ["BOOTS", "BOOT_SECONDS", "Kind", "Lane", "Lanes", "RemoteTest"]

_BEGIN_SECONDS = 240.0
"""Boot, if need be more than once, and imports, on a busy machine."""
BOOT_SECONDS = 60.0
"""Ten times what a boot takes. QEMU without KVM now and then loses the timer of a booting kernel, which then stands still."""
BOOTS = 3
_END_SECONDS = 60.0
_POLL_SECONDS = 0.05
_STACKS_SECONDS = 20.0
_SUPPORT = Path(__file__).resolve().parents[2]

Phases = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a guest is made of, and whether secnet is imported in it before the tests are."""

    name: str = ""
    functions: int = 2
    iommu: bool = False
    memory: int = 1024
    preload: bool = True

    @property
    def hardware(self) -> Hardware:
        """What QEMU is to emulate."""
        return Hardware(functions=self.functions, iommu=self.iommu, memory=self.memory)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTest:
    """A test for a guest. seconds: how long it may take; modules: of our own, to be built for it."""

    id: str
    kind: Kind
    seconds: float
    modules: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Lane:
    """A guest, and the tests it was given. waited_for: whether a test was asked of it already, so that it has booted."""

    boot: Callable[[], Guest]
    tests: tuple[RemoteTest, ...]
    guest: Guest
    since: float = field(default_factory=time.monotonic)
    boots: int = 1
    waited_for: bool = False
    reports: Phases = field(default_factory=list)

    def mind_boot(self) -> None:
        """Boot again a guest that came to nothing; whatever happens after its boot is for the tests to say."""
        if self.guest.booted or self.boots == BOOTS or time.monotonic() - self.since < BOOT_SECONDS:
            return
        print(f"a guest has not booted within {BOOT_SECONDS:g} s and is booted again\n{self.guest.post_mortem()}")
        self.guest.close()
        self.guest, self.since = self.boot(), time.monotonic()
        self.boots += 1

    def phases(self, test: RemoteTest) -> Phases | None:
        """What the guest says of a test, once that is over."""
        self.reports = _read(self.guest.out / "reports")
        found = [report for report in self.reports if report["id"] == test.id]
        return found[:-1] if found and found[-1]["when"] == "over" else None


class Lanes:
    """Runs tests in guests, at most `count` guests at once. Tests are asked for in the order given, kind by kind."""

    def __init__(self, root: Path, tests: Sequence[RemoteTest], count: int) -> None:
        self._root, self._count = root, count
        self._tests: dict[Kind, list[RemoteTest]] = {}
        for test in tests:
            self._tests.setdefault(test.kind, []).append(test)
        self._lanes: dict[Kind, Lane] = {}
        self._begun: set[Kind] = set()
        self._hopeless: dict[Kind, Exception] = {}
        self._image: Image | None = None

    def outcome(self, test: RemoteTest) -> Phases:
        """The phases of a test as its guest reports them. Raises PrepareError or GuestFailed when there is none to do so."""
        if test.kind not in self._lanes:
            self._begin(test)
        if error := self._hopeless.get(test.kind):
            raise error
        lane = self._lanes[test.kind]
        try:
            phases = self._wait_for(lane, test)
            if test == lane.tests[-1]:
                _wait_end(lane.guest)
                self._end(test.kind)
        except GuestFailed as exc:
            # A test that ends its guest does not take the next ones with it. A guest that began no test would do so again.
            if not lane.reports:
                self._hopeless[test.kind] = exc
            self._end(test.kind)
            raise
        return phases

    def close(self) -> None:
        """End all guests."""
        for kind in list(self._lanes):
            self._end(kind)

    def _begin(self, test: RemoteTest) -> None:
        """Boot a guest that runs this test and those of its kind that come after it; `_hopeless` if there can be none."""
        self._begun.add(test.kind)
        if test.kind in self._hopeless:
            return
        order = self._tests[test.kind]
        try:
            self._lanes[test.kind] = self._boot(test.kind, tuple(order[order.index(test) :]))
        except PrepareError as exc:
            self._hopeless[test.kind] = exc

    def _boot(self, kind: Kind, tests: tuple[RemoteTest, ...]) -> Lane:
        image = self._image = self._image or prepare()
        ids = "".join(f"{test.id}\n" for test in tests).encode()
        # pytest alone loads its plugins by entry points: those that are installed for other tests are slow to import.
        environment = {"PYTHONPATH": str(_SUPPORT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONUNBUFFERED": "1"}
        environment["SECNET_VM_PRELOAD"] = "1" if kind.preload else ""
        for name in sorted({name for test in tests for name in test.modules}):
            environment[f"SECNET_VM_{name.upper()}"] = str(image.module(name))
        # Where a test hangs is shown before its guest is ended. Not earlier: Python may crash when it shows a thread that runs.
        limit = max(test.seconds for test in tests) - _STACKS_SECONDS
        options = [f"--rootdir={self._root}", f"-ofaulthandler_timeout={limit:g}"]
        _compile(ids, options, environment, self._root)
        command = [sys.executable, "-m", "secnet_testing.vm.inside", "/out", *options]
        boot = functools.partial(
            Guest,
            image,
            command,
            hardware=kind.hardware,
            folder=self._root,
            environment=environment,
            files={"tests": ids},
        )
        return Lane(boot=boot, tests=tests, guest=boot())

    def _wait_for(self, lane: Lane, test: RemoteTest) -> Phases:
        seconds = test.seconds if lane.waited_for else test.seconds + _BEGIN_SECONDS
        lane.waited_for = True
        deadline = time.monotonic() + seconds
        while True:
            running = lane.guest.running
            if (phases := lane.phases(test)) is not None:
                return phases
            if not running:
                raise GuestFailed(f"the guest ended before this test did\n{lane.guest.post_mortem()}")
            if time.monotonic() > deadline:
                lane.guest.kill()
                raise GuestFailed(f"not over after {seconds:g} s; the guest was ended\n{lane.guest.post_mortem()}")
            for each in self._lanes.values():
                each.mind_boot()
            self._fill()
            time.sleep(_POLL_SECONDS)

    def _fill(self) -> None:
        """Boot the guest of a later kind where a lane is free."""
        if sum(lane.guest.running for lane in self._lanes.values()) >= self._count:
            return
        later = next((tests for kind, tests in self._tests.items() if kind not in self._begun), None)
        if later is not None:
            self._begin(later[0])

    def _end(self, kind: Kind) -> None:
        lane = self._lanes.pop(kind, None)
        if lane is not None:
            lane.guest.close()


def _wait_end(guest: Guest) -> None:
    code = guest.wait(_END_SECONDS)
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise GuestFailed(f"pytest ended with {code} in the guest\n{guest.post_mortem()}")


def _compile(ids: bytes, options: list[str], environment: Mapping[str, str], root: Path) -> None:
    """Collect the tests here first. Python then writes what it compiled beside the sources, where the guest reads it.

    It also shows a test that cannot be collected before a guest is booted for it.
    """
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory(prefix="sn-vm-") as folder:
        Path(folder, "tests").write_bytes(ids)
        argv = [sys.executable, "-m", "secnet_testing.vm.inside", folder, *options, "--collect-only", "-q"]
        done = subprocess.run(
            argv, env={**variables, **environment}, cwd=root, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise PrepareError(f"the tests of a guest cannot be collected:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")


def _read(file: Path) -> Phases:
    """The whole lines of a file that another process still writes."""
    if not file.exists():
        return []
    text = file.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
