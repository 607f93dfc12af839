"""A fault before and after every change of an attach, and of a detach: what is left then goes without a trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest
from secnet.linux.snapshot import diff

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.ovs


class Injected(Exception):
    """The fault."""


class Steps:
    """Records the steps of a run and, if asked, fails at one of them."""

    def __init__(self, moment: str = "", index: int = -1) -> None:
        self.names: list[str] = []
        self._moment = moment
        self._index = index

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        self.names.append(name)
        self._fail("before")

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        self._fail("after")

    def _fail(self, moment: str) -> None:
        if (moment, len(self.names) - 1) == (self._moment, self._index):
            raise Injected(f"{moment} {self.names[-1]}")


def test_every_prefix_of_attach_is_undone_by_detach(lab: Lab) -> None:
    driver, pod = lab.ready_driver(), lab.new_netns()
    before = lab.snapshot(pod)
    clean = Steps()
    attachment = driver.plan(lab.request(pod), lab.call()).bind(None, 100)
    driver.attach(attachment, lab.call(observers=(clean,)))
    driver.detach(attachment, lab.call())
    assert diff(before, lab.snapshot(pod)) == []
    assert clean.names == ["veth.create", "veth.silence", "veth.up", "port.add"]
    for index, name in enumerate(clean.names):
        for moment in ("before", "after"):
            steps = Steps(moment, index)
            with pytest.raises(Injected, match=f"{moment} {name}"):
                driver.attach(attachment, lab.call(observers=(steps,)))
            driver.detach(attachment, lab.call())
            assert diff(before, lab.snapshot(pod)) == [], f"{moment} {name}"


def test_every_prefix_of_attach_can_be_attached_again(lab: Lab) -> None:
    """The core detaches first; but a driver that cannot is one mistake away from being stuck."""
    driver, pod = lab.ready_driver(), lab.new_netns()
    attachment = driver.plan(lab.request(pod), lab.call()).bind(None, 100)
    for index in range(4):
        with pytest.raises(Injected):
            driver.attach(attachment, lab.call(observers=(Steps("after", index),)))
        driver.attach(attachment, lab.call())
        assert driver.check(attachment, lab.call()).clean
        driver.detach(attachment, lab.call())


def test_a_detach_that_failed_anywhere_is_finished_by_the_next(lab: Lab) -> None:
    driver, pod = lab.ready_driver(), lab.new_netns()
    before = lab.snapshot(pod)
    attachment = driver.plan(lab.request(pod), lab.call()).bind(None, 100)
    driver.attach(attachment, lab.call())
    clean = Steps()
    driver.detach(attachment, lab.call(observers=(clean,)))
    assert clean.names == ["port.delete", "veth.delete"]
    for index, name in enumerate(clean.names):
        for moment in ("before", "after"):
            driver.attach(attachment, lab.call())
            with pytest.raises(Injected):
                driver.detach(attachment, lab.call(observers=(Steps(moment, index),)))
            driver.detach(attachment, lab.call())
            assert diff(before, lab.snapshot(pod)) == [], f"{moment} {name}"
