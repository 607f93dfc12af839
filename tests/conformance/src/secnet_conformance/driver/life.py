"""The life of an attachment: what `attach` promises, what `detach` copes with, and what the record is enough for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from secnet.contract import Attachment, AttachResult, Gone, Retryable, from_json, to_json
from secnet.linux.rtnl import host_rtnl

from ..snapshot import diff
from ..suite import applies
from .lab import IFNAME, DriverLab, DriverTests, info_of, unchanged, without_netdev
from .sandboxes import until_free

__all__ = ["Life"]

_OPTIONS: Mapping[str, Any] = {"mac": "02:53:4e:aa:bb:01", "mtu": 1400}


class Life(DriverTests):
    """Attach, check, detach."""

    group = "life cycle"

    def test_attach_makes_what_the_options_say_and_detach_takes_it_away(
        self, lab: DriverLab, options: Mapping[str, Any]
    ) -> None:
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        attachment = lab.plan(driver, lab.request(pod, options))
        result = driver.attach(attachment, lab.call())
        _require_true(lab, attachment, result)
        lab.up(attachment, result)
        lab.clean_check(driver, attachment)
        lab.case.inside(lab.host, pod, attachment)
        driver.detach(attachment, lab.call())
        unchanged(before, lab.picture(pod), "after detach")

    def test_inventory_finds_it_and_is_enough_to_detach(self, lab: DriverLab, options: Mapping[str, Any]) -> None:
        driver, pod = lab.driver(), lab.pod()
        before, bare = lab.picture(pod), lab.picture()
        assert driver.inventory(lab.call()).owned == (), "inventory of a host without attachments"
        attachment = lab.attach(driver, pod, options)
        marked = bool(diff(bare, lab.picture()))
        lab.up(attachment)
        lab.clean_check(driver, attachment)
        owned = {item.attachment.key: item for item in lab.driver().inventory(lab.call()).owned}
        if not marked and not owned:
            # It lives in the sandbox alone, and ends with it.
            driver.detach(attachment, lab.call())
            unchanged(before, lab.picture(pod), "after detach")
            return
        assert set(owned) == {attachment.key}, "the keys that inventory found"
        found = owned[attachment.key]
        assert found.complete, "what attach completed is not complete in the inventory"
        assert found.attachment.request.network_type == lab.info.network_type
        lab.driver().detach(found.attachment, lab.call())
        unchanged(before, lab.picture(pod), "after detach of what inventory rebuilt")
        assert lab.driver().inventory(lab.call()).owned == (), "inventory after detach"

    def test_a_new_process_checks_and_detaches_from_the_record(
        self, lab: DriverLab, options: Mapping[str, Any]
    ) -> None:
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        attachment = lab.attach(driver, pod, options)
        lab.up(attachment)
        lab.clean_check(driver, attachment)
        record = json.loads(json.dumps(to_json(attachment)))
        again = from_json(Attachment, record)
        assert again == attachment, "the record read from JSON"
        report = lab.child("check", again).expect("check in a new process")
        assert report["findings"] == [], "what a new process finds"
        lab.child("detach", again).expect("detach in a new process")
        unchanged(before, lab.picture(pod), "after detach in a new process")

    def test_attaching_twice_is_attaching_once(self, lab: DriverLab) -> None:
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        attachment = lab.plan(driver, lab.request(pod))
        first = driver.attach(attachment, lab.call())
        made = lab.picture(pod)
        second = lab.driver().attach(attachment, lab.call())
        assert second == first, "the result of the second attach"
        unchanged(made, lab.picture(pod), "after the second attach")
        third = lab.child("attach", attachment).expect("attach in a new process, where it is attached already")
        assert from_json(AttachResult, third) == first, "the result of attach in a new process"
        unchanged(made, lab.picture(pod), "after attach in a new process")
        driver.detach(attachment, lab.call())
        unchanged(before, lab.picture(pod), "after detach")

    def test_detach_may_be_repeated(self, lab: DriverLab) -> None:
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        attachment = lab.attach(driver, pod)
        driver.detach(attachment, lab.call())
        driver.detach(attachment, lab.call())
        unchanged(before, lab.picture(pod), "after the second detach")

    def test_detach_before_attach_changes_nothing(self, lab: DriverLab) -> None:
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        driver.detach(lab.plan(driver, lab.request(pod)), lab.call())
        unchanged(before, lab.picture(pod), "after detach")

    def test_detach_without_the_netns(self, lab: DriverLab) -> None:
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture()
        attachment = lab.attach(driver, pod)
        lab.remove(pod)
        until_free(lab, driver, attachment)
        lab.settled(before, "after detach without the netns")

    @applies(lambda case: "" if info_of(case).needs_device else "the driver needs no device")
    def test_detach_without_the_device(self, lab: DriverLab) -> None:
        """A card may be pulled out, or its functions removed: what else was made goes all the same."""
        driver, pod = lab.driver(), lab.pod()
        device = lab.devices(1)[0]
        assert device is not None
        before = lab.picture(pod)
        attachment = lab.plan(driver, lab.request(pod, device=device))
        driver.attach(attachment, lab.call())
        lab.case.lose_device(lab.host, device)
        until_free(lab, driver, attachment)
        left = [line for line in diff(before, lab.picture(pod)) if not line.startswith("- ")]
        assert not left, "\n".join(("after detach, beside the device that is gone:", *left))

    @applies(without_netdev)
    def test_detach_without_the_pods_link(self, lab: DriverLab) -> None:
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        attachment = lab.attach(driver, pod)
        lab.host.run_in(pod, f"ip link del {IFNAME}", check=False)  # one that cannot be deleted stays
        driver.detach(attachment, lab.call())
        unchanged(before, lab.picture(pod), "after detach without the Pod's link")

    def test_attach_without_the_netns_is_gone_and_leaves_nothing(self, lab: DriverLab) -> None:
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture()
        attachment = lab.plan(driver, lab.request(pod))
        lab.remove(pod)
        with pytest.raises((Gone, Retryable)):
            driver.attach(attachment, lab.call())
        until_free(lab, driver, attachment)
        lab.settled(before, "after attach without the netns, then detach")

    def test_one_pod_takes_two_interfaces(self, lab: DriverLab) -> None:
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        made = []
        for ifname, device in zip((IFNAME, "net2"), lab.devices(2), strict=True):
            made.append(lab.plan(driver, lab.request(pod, ifname=ifname, device=device)))
            driver.attach(made[-1], lab.call())
        for attachment in made:
            lab.up(attachment)
            lab.clean_check(driver, attachment, f"check of {attachment.request.ifname}")
        driver.detach(made[0], lab.call())
        lab.clean_check(driver, made[1], "check of the second after detach of the first")
        driver.detach(made[1], lab.call())
        unchanged(before, lab.picture(pod), "after both detached")

    @applies(without_netdev)
    def test_a_declared_request_is_honoured(self, lab: DriverLab, honoured: str) -> None:
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        attachment = lab.plan(driver, lab.request(pod, **{honoured: _OPTIONS[honoured]}))
        assert getattr(attachment, honoured) == _OPTIONS[honoured], f"{honoured} of the plan"
        result = driver.attach(attachment, lab.call())
        assert getattr(result, honoured) == _OPTIONS[honoured], f"{honoured} of the result"
        _require_true(lab, attachment, result)
        driver.detach(attachment, lab.call())
        unchanged(before, lab.picture(pod), "after detach")


def _again(result: AttachResult) -> AttachResult:
    """The result as the agent's journal gives it back."""
    return from_json(AttachResult, json.loads(json.dumps(to_json(result))))


def _require_true(lab: DriverLab, attachment: Attachment, result: AttachResult) -> None:
    """What the driver says is what the kernel says."""
    assert isinstance(result, AttachResult), f"attach returned {result!r}"
    assert _again(result) == result, "the result read from its JSON differs"
    with host_rtnl() as kernel:
        for item in result.host_interfaces:
            link = kernel.link(item.name)
            assert link is not None, f"the result names the host interface {item.name}, which does not exist"
            assert item.mac in ("", link.mac), f"MAC of {item.name} in the result"
            assert item.mtu in (0, link.mtu), f"MTU of {item.name} in the result"
    found = lab.link(attachment)
    assert result.netdev == lab.case.netdev, (
        f"the case says netdev={lab.case.netdev}, the result netdev={result.netdev}"
    )
    if not result.netdev:
        assert found is None, f"the result says netdev=False, and the Pod has {attachment.request.ifname}"
        return
    assert found is not None, f"the Pod has no {attachment.request.ifname}"
    assert not found.up, "the Pod's link is up: the core brings it up, after the addresses"
    assert attachment.mac in (None, found.mac), "MAC of the link and of the plan"
    assert attachment.mtu in (None, found.mtu), "MTU of the link and of the plan"
    assert (result.mac, result.mtu) == (found.mac, found.mtu), "MAC and MTU of the result and of the link"
