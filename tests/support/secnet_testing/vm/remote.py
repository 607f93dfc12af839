"""Runs tests with the mark `vm_guest` in a guest, and reports them as tests of the run outside.

A pytest plugin; the root conftest.py loads it. Such a test is collected outside like any other, so it can be chosen, counted and
promised like any other. Its place is then taken by an item that waits for what the guest says of it.

The mark's arguments say what the guest is made of: `functions`, `iommu`, `memory` (see Hardware), `modules` of our own to be
built for it, `name` for a guest apart from others of the same kind, `preload=False` for one without secnet. Tests whose
guests are the same share one, which ends when another kind begins. `seconds` is how long a test may take.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .apt import MirrorUnreachable, PrepareError
from .image import Image, prepare
from .machine import Guest, GuestFailed, Hardware

__all__ = ["GuestTests", "RemoteItem", "Wanted"]

_TEST_SECONDS = 120.0
"""A guest in which one test takes longer hangs."""
_BEGIN_SECONDS = 180.0
"""Boot and imports, on a busy machine."""
_END_SECONDS = 60.0
_POLL_SECONDS = 0.05
_STACKS_SECONDS = 20.0
_OBEYED_INSIDE = ("skip", "skipif", "xfail", "usefixtures")
_SUPPORT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The guest that a test wants; see the module."""

    name: str = ""
    functions: int = 2
    iommu: bool = False
    memory: int = 1024
    preload: bool = True

    @property
    def hardware(self) -> Hardware:
        """What QEMU is to emulate."""
        return Hardware(functions=self.functions, iommu=self.iommu, memory=self.memory)


class InnerFailure(Exception):
    """A test failed in its guest; the text is that of the report there."""


class RemoteItem(pytest.Item):
    """A test that runs in a guest."""

    guests: GuestTests
    wanted: Wanted

    def iter_markers_with_node(self, name: str | None = None) -> Iterator[tuple[Any, pytest.Mark]]:
        """Its marks without those that are obeyed inside, where what they ask for is true or not."""
        return (pair for pair in super().iter_markers_with_node(name) if pair[1].name not in _OBEYED_INSIDE)

    def runtest(self) -> None:
        failures = []
        try:
            phases = self.guests.outcome(self)
        except MirrorUnreachable as exc:
            pytest.skip(f"mirror unreachable: {exc}")
        for phase in phases:
            for name, content in phase["sections"]:
                self.add_report_section("call", f"in the guest: {name}", content)
            if phase["xfail"] is not None and phase["outcome"] == "skipped":
                pytest.xfail(phase["xfail"])
            if phase["outcome"] == "skipped":
                pytest.skip(phase["text"])
            if phase["outcome"] == "failed":
                failures.append(f"in the guest, {phase['when']}:\n{phase['text']}")
        if failures:
            raise InnerFailure("\n".join(failures))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any) -> Any:
        if isinstance(excinfo.value, (InnerFailure, GuestFailed, PrepareError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *args)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


class GuestTests:
    """The guests of a run, one after the other. A pytest plugin of its own."""

    def __init__(self, config: pytest.Config) -> None:
        self._root = config.rootpath
        self._order: dict[Wanted, list[RemoteItem]] = {}
        self._image: Image | None = None
        self._guest: Guest | None = None
        self._of: Wanted | None = None
        self._reports: list[dict[str, Any]] = []
        self._hopeless: dict[Wanted, Exception] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # the outermost: after -m and -k, and what others leave out
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Iterator[None]:
        yield
        items[:] = [self._replaced(item) for item in items]
        kinds: dict[Wanted, int] = {}
        number = itertools.count()
        keys = [
            kinds.setdefault(item.wanted, next(number)) if isinstance(item, RemoteItem) else next(number)
            for item in items
        ]
        items[:] = [item for _, item in sorted(zip(keys, items, strict=True), key=lambda pair: pair[0])]
        for item in items:
            if isinstance(item, RemoteItem):
                self._order.setdefault(item.wanted, []).append(item)

    def pytest_sessionfinish(self) -> None:
        self._end()

    def outcome(self, item: RemoteItem) -> list[dict[str, Any]]:
        """The phases of a test as its guest reports them. Raises PrepareError or GuestFailed when there is none to do so."""
        if error := self._hopeless.get(item.wanted):
            raise error
        begun = self._of == item.wanted and self._guest is not None
        if not begun:
            self._end()
            try:
                self._begin(item)
            except PrepareError as exc:
                self._hopeless[item.wanted] = exc
                raise
        try:
            limit = _argument(item, "seconds", _TEST_SECONDS)
            phases = self._wait_for(item, limit if begun else limit + _BEGIN_SECONDS)
            if item is self._order[item.wanted][-1]:
                self._wait_end()
        except GuestFailed as exc:
            # A test that ends its guest does not take the next ones with it. A guest that began no test would do so again.
            if not self._reports:
                self._hopeless[item.wanted] = exc
            self._end()
            raise
        return phases

    def _begin(self, item: RemoteItem) -> None:
        """Boot a guest that runs this test and those of its kind that come after it."""
        order = self._order[item.wanted]
        ids = "".join(f"{other.nodeid}\n" for other in order[order.index(item) :]).encode()
        image = self._image = self._image or prepare()
        # pytest alone loads its plugins by entry points: those that are installed for other tests are slow to import.
        environment = {"PYTHONPATH": str(_SUPPORT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONUNBUFFERED": "1"}
        environment["SECNET_VM_PRELOAD"] = "1" if item.wanted.preload else ""
        for name in sorted({name for other in order for name in _argument(other, "modules", ())}):
            environment[f"SECNET_VM_{name.upper()}"] = str(image.module(name))
        # Where a test hangs is shown before its guest is ended. Not earlier: Python may crash when it shows a thread that runs.
        limit = max(_argument(other, "seconds", _TEST_SECONDS) for other in order)
        options = [f"--rootdir={self._root}", f"-ofaulthandler_timeout={limit - _STACKS_SECONDS:g}"]
        _compile(ids, options, environment, self._root)
        self._reports, self._of = [], item.wanted
        command = [sys.executable, "-m", "secnet_testing.vm.inside", "/out", *options]
        hardware = item.wanted.hardware
        self._guest = Guest(
            image, command, hardware=hardware, folder=self._root, environment=environment, files={"tests": ids}
        )

    def _wait_for(self, item: RemoteItem, seconds: float) -> list[dict[str, Any]]:
        assert self._guest is not None
        deadline = time.monotonic() + seconds
        while True:
            running = self._guest.running
            self._reports = _read(self._guest.out / "reports")
            phases = [report for report in self._reports if report["id"] == item.nodeid]
            if phases and phases[-1]["when"] == "over":
                return phases[:-1]
            if not running:
                raise GuestFailed(f"the guest ended before this test did\n{self._guest.post_mortem()}")
            if time.monotonic() > deadline:
                self._guest.kill()
                raise GuestFailed(f"not over after {seconds:g} s; the guest was ended\n{self._guest.post_mortem()}")
            time.sleep(_POLL_SECONDS)

    def _wait_end(self) -> None:
        assert self._guest is not None
        code = self._guest.wait(_END_SECONDS)
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            raise GuestFailed(f"pytest ended with {code} in the guest\n{self._guest.post_mortem()}")

    def _end(self) -> None:
        if self._guest is not None:
            self._guest.close()
        self._guest = self._of = None

    def _replaced(self, item: pytest.Item) -> pytest.Item:
        mark = item.get_closest_marker("vm_guest")
        if mark is None or item.parent is None:
            return item
        options = {key: value for key, value in mark.kwargs.items() if key not in ("modules", "seconds")}
        remote: RemoteItem = RemoteItem.from_parent(item.parent, name=item.name, nodeid=item.nodeid)
        remote.guests, remote.wanted = self, Wanted(**options)
        remote.own_markers[:] = item.own_markers
        remote.keywords.update(dict.fromkeys((mark.name for mark in item.own_markers), True))
        remote.add_marker(pytest.mark.timeout(0))  # a guest that hangs is ended, with more to say than a stack of ours
        return remote


def _argument(item: pytest.Item, name: str, default: Any) -> Any:
    """An argument of a test's mark that says nothing about what its guest is made of."""
    mark = item.get_closest_marker("vm_guest")
    return default if mark is None else mark.kwargs.get(name, default)


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


def _read(file: Path) -> list[dict[str, Any]]:
    """The whole lines of a file that another process still writes."""
    if not file.exists():
        return []
    text = file.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def pytest_sessionstart(session: pytest.Session) -> None:
    # Later than any other plugin: what is registered last is the outermost.
    config = session.config
    config.pluginmanager.register(GuestTests(config), "secnet-guests")
