"""Runs tests with the mark `vm_guest` in a guest, and reports them as tests of the run outside.

A pytest plugin; the root conftest.py loads it. Such a test is collected outside like any other, so it can be chosen, counted and
promised like any other. Its place is then taken by an item that waits for what the guest says of it.

The mark's arguments say what the guest is made of: `functions`, `iommu`, `memory` (see Hardware), `modules` of our own to be
built for it, `name` for a guest apart from others of the same kind, `preload=False` for one without secnet. Tests whose
guests are the same share one. `seconds` is how long a test may take. `--guests` says how many guests run at once.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .apt import MirrorUnreachable, PrepareError
from .image import Image, prepare
from .lanes import Kind, Lanes, RemoteTest
from .machine import GuestFailed

__all__ = ["GuestTests", "RemoteItem", "vm_image"]

_TEST_SECONDS = 120.0
"""A guest in which one test takes longer hangs."""
_OBEYED_INSIDE = ("skip", "skipif", "xfail", "usefixtures")


class InnerFailure(Exception):
    """A test failed in its guest; the text is that of the report there."""


class RemoteItem(pytest.Item):
    """A test that runs in a guest."""

    guests: GuestTests
    test: RemoteTest

    def iter_markers_with_node(self, name: str | None = None) -> Iterator[tuple[Any, pytest.Mark]]:
        """Its marks without those that are obeyed inside, where what they ask for is true or not."""
        return (pair for pair in super().iter_markers_with_node(name) if pair[1].name not in _OBEYED_INSIDE)

    def runtest(self) -> None:
        failures = []
        try:
            phases = self.guests.lanes.outcome(self.test)
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
    """Puts the tests for guests in order, kind by kind, and has them run. A pytest plugin of its own."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.lanes = Lanes(config.rootpath, (), 1)

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # the outermost: after -m and -k, and what others leave out
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Iterator[None]:
        yield
        items[:] = [self._replaced(item) for item in items]
        kinds: dict[Kind, int] = {}
        number = itertools.count()
        keys = [
            kinds.setdefault(item.test.kind, next(number)) if isinstance(item, RemoteItem) else next(number)
            for item in items
        ]
        items[:] = [item for _, item in sorted(zip(keys, items, strict=True), key=lambda pair: pair[0])]
        tests = [item.test for item in items if isinstance(item, RemoteItem)]
        self.lanes = Lanes(self._config.rootpath, tests, self._config.getoption("guests"))

    def pytest_sessionfinish(self) -> None:
        self.lanes.close()

    def _replaced(self, item: pytest.Item) -> pytest.Item:
        mark = item.get_closest_marker("vm_guest")
        if mark is None or item.parent is None:
            return item
        options = dict(mark.kwargs)
        modules, seconds = tuple(options.pop("modules", ())), options.pop("seconds", _TEST_SECONDS)
        remote: RemoteItem = RemoteItem.from_parent(item.parent, name=item.name, nodeid=item.nodeid)
        remote.guests = self
        remote.test = RemoteTest(id=item.nodeid, kind=Kind(**options), modules=modules, seconds=seconds)
        remote.own_markers[:] = item.own_markers
        remote.keywords.update(dict.fromkeys((mark.name for mark in item.own_markers), True))
        remote.add_marker(pytest.mark.timeout(0))  # a guest that hangs is ended, with more to say than a stack of ours
        return remote


@pytest.fixture(scope="session")
def vm_image() -> Image:
    """What guests boot from, for a test that boots one itself."""
    try:
        return prepare()
    except MirrorUnreachable as exc:
        pytest.skip(f"mirror unreachable: {exc}")


def pytest_addoption(parser: pytest.Parser) -> None:
    some = len(os.sched_getaffinity(0)) + 1
    text = "how many guests of the VM tier run at once [one more than cores]"
    parser.addoption("--guests", type=int, default=some, help=text)


def pytest_sessionstart(session: pytest.Session) -> None:
    # Later than any other plugin: what is registered last is the outermost.
    config = session.config
    config.pluginmanager.register(GuestTests(config), "secnet-guests")
