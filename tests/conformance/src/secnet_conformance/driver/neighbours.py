"""Attachments that are alike: none is taken for another, whether by key, by device or by owner tag."""

from __future__ import annotations

import dataclasses
from contextlib import suppress

from secnet.contract import HostContext, SecnetError

from ..suite import applies
from .lab import IFNAME, DriverLab, DriverTests, info_of, unchanged
from .sandboxes import replace_pod, until_free

__all__ = ["Neighbours"]


class Neighbours(DriverTests):
    """Each is one attachment beside another that a careless comparison would take for it."""

    group = "neighbours"

    def test_keys_of_which_one_begins_with_the_other(self, lab: DriverLab) -> None:
        driver, pod, other = lab.driver(), lab.pod(), lab.pod()
        before = lab.picture(pod, other)
        places = ((pod, pod.name, IFNAME), (pod, pod.name, f"{IFNAME}0"), (other, f"{pod.name}0", IFNAME))
        made = []
        for (where, container_id, ifname), device in zip(places, lab.devices(3), strict=True):
            request = lab.request(where, container_id=container_id, ifname=ifname, device=device)
            made.append(lab.plan(driver, request))
            driver.attach(made[-1], lab.call())
            lab.up(made[-1])
        found = {item.attachment.key for item in driver.inventory(lab.call()).owned}
        assert found in (set(), {item.key for item in made}), "the keys that inventory found"
        while made:
            driver.detach(made.pop(0), lab.call())
            for item in made:
                lab.clean_check(driver, item, f"check of {item.key} after detach of one whose key is its beginning")
        unchanged(before, lab.picture(pod, other), "after all are detached")

    def test_a_request_without_a_pod(self, lab: DriverLab) -> None:
        """A runtime need not say for whom it asks."""
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        attachment = lab.plan(driver, dataclasses.replace(lab.request(pod), pod=None))
        driver.attach(attachment, lab.call())
        lab.up(attachment)
        lab.clean_check(driver, attachment)
        driver.inventory(lab.call())
        driver.detach(attachment, lab.call())
        unchanged(before, lab.picture(pod), "after detach")

    def test_a_detach_leaves_the_sandbox_that_has_the_path_by_now(self, lab: DriverLab) -> None:
        """A runtime may use a path again, while the kernel still takes the sandbox before apart: it is known by its identity."""
        driver, pod = lab.driver(), lab.pod()
        one, two = lab.devices(2)
        before = lab.picture()
        first = lab.plan(driver, lab.request(pod, device=one))
        driver.attach(first, lab.call())
        with pod.open():  # so that it does so for as long as the next attach takes, and not now and then
            again = replace_pod(pod)
            second = lab.plan(driver, lab.request(again, container_id=f"{pod.name}-next", device=two))
            driver.attach(second, lab.call())
        lab.up(second)
        lab.clean_check(driver, second)
        until_free(lab, driver, first)
        lab.clean_check(driver, second, "check of the next sandbox of the path after detach from the one before")
        driver.detach(second, lab.call())
        lab.settled(before, "after both are detached")

    @applies(lambda case: "" if info_of(case).needs_device else "the driver needs no device")
    def test_a_late_detach_leaves_the_device_with_its_next_owner(self, lab: DriverLab) -> None:
        driver, one, two = lab.driver(), lab.pod(), lab.pod()
        device = lab.devices(1)[0]
        first = lab.plan(driver, lab.request(one, device=device))
        driver.attach(first, lab.call())
        driver.detach(first, lab.call())
        second = lab.plan(driver, lab.request(two, device=device))
        driver.attach(second, lab.call())
        lab.up(second)
        before = lab.picture(one, two)
        driver.detach(first, lab.call())
        unchanged(before, lab.picture(one, two), "after a repeated detach of the device's owner before")
        lab.clean_check(driver, second, "check of the device's new owner")
        driver.detach(second, lab.call())

    def test_another_agents_attachment_is_left_alone(self, lab: DriverLab) -> None:
        """Two agents on one host have different owner tags, and never touch what the other made."""
        driver, pod = lab.driver(), lab.pod()
        attachment, links = lab.plan(driver, lab.request(pod)), lab.node_links()
        driver.attach(attachment, lab.call())
        lab.up(attachment)
        lab.clean_check(driver, attachment)
        before = lab.picture(pod)
        other = lab.driver(_another_agent(lab.context))
        listed = {item.attachment.key for item in other.inventory(lab.call()).owned}
        assert attachment.key not in listed, "the inventory lists what carries another agent's tag"
        with suppress(SecnetError):  # that may be its answer too
            assert not other.check(attachment, lab.call()).clean, "check takes another agent's link for its own"
        with suppress(SecnetError):
            other.detach(attachment, lab.call())
        unchanged(before, lab.picture(pod), "after detach by an agent with another tag")
        driver.detach(attachment, lab.call())
        assert lab.node_links() == links, "links after detach by the agent that made it"


def _another_agent(context: HostContext) -> HostContext:
    return dataclasses.replace(context, owner_tag=f"{context.owner_tag}-two")
