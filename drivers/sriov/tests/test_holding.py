"""Who holds a device, and what it was before: never taken from our own settings, never touched under the next Pod."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from secnet.contract import Busy

from .conftest import MAC, VF

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.kernel

OPTIONS = {"vlan": 100, "trust": "on", "spoofchk": "off"}


def test_a_plan_after_all_records_were_lost_keeps_the_first_prior_state(lab: Lab) -> None:
    """The run directory is gone, the Pod too, and the device is back with our settings on it."""
    before, pod = lab.kept(), lab.new_netns()
    first, _, _ = lab.attach(lab.driver(), pod, OPTIONS)
    lab.end(pod)
    shutil.rmtree(lab.folder / "run", ignore_errors=True)
    driver, other = lab.driver(), lab.new_netns()
    second, _, _ = lab.attach(driver, other, {"vlan": 5})
    assert second.prior == first.prior
    assert (lab.kept()["vlan"], lab.kept()["trust"], lab.kept()["spoofchk"]) == (5, False, True), (
        "what the first one set"
    )
    driver.detach(second, lab.call())
    assert lab.kept() == before
    link = lab.host_link()
    assert link is not None
    assert (link.mac, link.mtu, link.alias) == (MAC, 1450, "port")


def test_a_device_whose_pod_lives_is_busy(lab: Lab) -> None:
    driver, pod = lab.driver(), lab.new_netns()
    one, other = lab.plan(driver, pod), lab.plan(driver, lab.new_netns())
    driver.attach(one, lab.call())
    with pytest.raises(Busy, match="is alive"):
        driver.attach(other, lab.call())
    with pytest.raises(Busy, match=f"{pod.name}/net1"):
        lab.plan(driver, lab.new_netns())
    driver.detach(other, lab.call())
    assert driver.check(one, lab.call()).clean, "the detach of what never held the device"


def test_a_late_detach_leaves_the_next_holder_alone(lab: Lab) -> None:
    driver, pod = lab.driver(), lab.new_netns()
    first, _, _ = lab.attach(driver, pod, {"vlan": 100})
    lab.end(pod)
    second, _, _ = lab.attach(driver, lab.new_netns(), {"vlan": 5})
    driver.detach(first, lab.call())
    assert driver.check(second, lab.call()).clean


def test_on_the_bus_and_not_back_yet_is_busy_and_the_holding_stays(lab: Lab) -> None:
    driver, pod = lab.driver(), lab.new_netns()
    attachment, _, _ = lab.attach(driver, pod, OPTIONS)
    lab.end(pod)
    lab.card.set(VF, away=True)
    with pytest.raises(Busy, match="on its way back"):
        driver.detach(attachment, lab.call())
    assert [item.attachment.key for item in driver.inventory(lab.call()).owned] == [attachment.key]
    lab.card.set(VF, away=False)
    driver.detach(attachment, lab.call())
    assert driver.inventory(lab.call()).owned == ()


def test_without_any_record_it_is_restored_safe_and_that_is_reported(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    """What is left is the mark on the link, which the inventory finds."""
    driver, pod = lab.driver(), lab.new_netns()
    attachment = lab.plan(driver, pod, OPTIONS)

    with pytest.raises(Interrupt):
        driver.attach(attachment, lab.call(Interrupt.before_move()))
    shutil.rmtree(lab.folder / "state")
    with pytest.raises(Busy, match="no record"):
        lab.plan(driver, lab.new_netns())
    found = driver.inventory(lab.call()).owned
    assert [(item.attachment.key, item.complete) for item in found] == [(attachment.key, False)]
    with caplog.at_level("WARNING"):
        driver.detach(found[0].attachment, lab.call())
    assert "VLAN 0, spoofchk on and trust off" in caplog.text
    kept = lab.kept()
    assert (kept["vlan"], kept["spoofchk"], kept["trust"]) == (0, True, False)
    link = lab.host_link()
    assert link is not None
    assert link.alias == ""
    assert driver.inventory(lab.call()).owned == ()


def test_what_a_card_cannot_do_keeps_no_device_without_a_record(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    driver = lab.driver()
    with pytest.raises(Interrupt):
        driver.attach(lab.plan(driver, lab.new_netns(), OPTIONS), lab.call(Interrupt.before_move()))
    shutil.rmtree(lab.folder / "state")
    lab.card.set(VF, refuses=["spoofchk"])
    (found,) = driver.inventory(lab.call()).owned
    with caplog.at_level("WARNING"):
        driver.detach(found.attachment, lab.call())
    assert f"{VF}: spoofchk stays off instead of on" in caplog.text
    assert (lab.kept()["vlan"], lab.kept()["trust"]) == (0, False)


def test_our_own_half_attach_without_a_record_is_no_prior_state(lab: Lab) -> None:
    """The same interface is planned again: what it finds is its own."""
    driver, pod = lab.driver(), lab.new_netns()
    attachment = lab.plan(driver, pod, OPTIONS)
    with pytest.raises(Interrupt):
        driver.attach(attachment, lab.call(Interrupt.before_move()))
    shutil.rmtree(lab.folder / "state")
    again = lab.plan(driver, pod, OPTIONS)
    assert dict(again.prior) == {}
    with pytest.raises(Interrupt):
        driver.attach(again, lab.call(Interrupt.before_move()))
    third = lab.plan(driver, pod, OPTIONS)
    assert (third.mac, third.mtu) == (MAC, 1450), "what the link has, as nothing else is known"
    driver.attach(third, lab.call())
    assert driver.check(third, lab.call()).clean


class Interrupt(Exception):
    """An attach that ends where it ends."""

    @staticmethod
    def before_move() -> _BeforeMove:
        """An observer that ends it when all is set and nothing moved yet."""
        return _BeforeMove()


class _BeforeMove:
    def before(self, name: str, facts: object) -> None:
        if name == "link.move":
            raise Interrupt

    def after(self, name: str, facts: object, seconds: float) -> None: ...
