"""What only looks changes nothing: describe, probe, lock_keys, plan, admit, check, inventory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secnet.contract import Attachment, HostContext, Inventory, SecnetError

from ..steps import Recorder
from ..suite import applies
from .lab import DriverLab, DriverTests, info_of, unchanged

__all__ = ["ReadOnly"]

_LONG_ID = "c" * 60
_LONG_IFNAME = "net-interface-9"


class ReadOnly(DriverTests):
    """The host is the same before and after, and no step is done."""

    group = "read-only"

    def test_looking_at_a_host_changes_nothing(self, lab: DriverLab) -> None:
        driver, pod, steps = lab.driver(), lab.pod(), Recorder()
        before = lab.picture(pod)
        request = lab.request(pod)
        driver.describe()
        driver.probe()
        driver.lock_keys(request)
        inventory = driver.inventory(lab.call(steps))
        assert isinstance(inventory, Inventory), f"inventory returned {inventory!r}"
        attachment = driver.plan(request, lab.call(steps))
        assert isinstance(attachment, Attachment), f"plan returned {attachment!r}"
        driver.admit(lab.bound(attachment), lab.call(steps))
        assert steps.names == [], "steps of inventory, plan and admit"
        unchanged(before, lab.picture(pod), "after describe, probe, lock_keys, inventory, plan and admit")

    def test_check_before_attach_finds_that_it_is_missing(self, lab: DriverLab) -> None:
        driver, pod, steps = lab.driver(), lab.pod(), Recorder()
        before = lab.picture(pod)
        attachment = lab.plan(driver, lab.request(pod))
        assert not driver.check(attachment, lab.call(steps)).clean, "check finds nothing wrong where nothing is"
        assert steps.names == [], "steps of check"
        unchanged(before, lab.picture(pod), "after check")

    def test_looking_at_an_attachment_changes_nothing(self, lab: DriverLab) -> None:
        driver, pod, steps = lab.driver(), lab.pod(), Recorder()
        attachment = lab.attach(driver, pod)
        lab.up(attachment)
        lab.clean_check(driver, attachment)
        before = lab.picture(pod)
        driver.check(attachment, lab.call(steps))
        driver.inventory(lab.call(steps))
        driver.probe()
        assert steps.names == [], "steps of check and inventory"
        unchanged(before, lab.picture(pod), "after check, inventory and probe")
        driver.detach(attachment, lab.call())

    def test_the_plan_follows_from_the_request(self, lab: DriverLab) -> None:
        pod = lab.pod()
        request = lab.request(pod)
        first, second = lab.plan(lab.driver(), request), lab.plan(lab.driver(), request)
        assert first == second, "two instances plan differently"
        other = lab.child("plan", request).expect("plan in a new process")
        assert other["names"] == dict(first.names), "another process gives other names to the same request"
        assert first.request == request, "the request of the plan"

    @applies(lambda case: "a device that is in a Pod cannot be planned for" if info_of(case).needs_device else "")
    def test_the_plan_is_the_same_while_it_is_attached(self, lab: DriverLab) -> None:
        driver, pod = lab.driver(), lab.pod()
        attachment = lab.attach(driver, pod)
        before = lab.picture(pod)
        again = lab.plan(lab.driver(), attachment.request)
        unchanged(before, lab.picture(pod), "after plan")
        driver.detach(attachment, lab.call())
        assert (again.names, again.mac, again.mtu) == (attachment.names, attachment.mac, attachment.mtu)

    def test_lock_keys_needs_no_host(self, lab: DriverLab, tmp_path: Path) -> None:
        request = lab.request(lab.pod())
        elsewhere = HostContext(
            node_name="node1", run_dir=tmp_path / "run", sysfs_root=tmp_path / "sys", proc_root=tmp_path / "proc",
            config=lab.case.node,
        )  # fmt: skip
        driver = lab.case.driver(elsewhere)
        try:
            keys = driver.lock_keys(request)
        finally:
            driver.close()
        assert isinstance(keys, tuple), f"lock_keys returned {keys!r}"
        assert all(isinstance(key, str) for key in keys), f"lock_keys returned {keys!r}"
        assert keys == lab.driver().lock_keys(request), "the keys depend on something else than the request"
        assert len(set(keys)) == len(keys), "a key stands there twice"

    def test_validate_needs_no_host_and_accepts_what_is_good(
        self, lab: DriverLab, options: Mapping[str, Any], tmp_path: Path
    ) -> None:
        """A NAD is examined on any machine, by the node configuration of none."""
        before = lab.picture()
        nowhere = HostContext(
            node_name="", run_dir=tmp_path / "run", sysfs_root=tmp_path / "sys", proc_root=tmp_path / "proc"
        )
        driver = lab.driver(nowhere)
        try:
            driver.validate(options)
        except SecnetError as exc:
            raise AssertionError(f"validate refuses what the case calls good: {exc}") from exc
        unchanged(before, lab.picture(), "after validate")

    @applies(lambda case: "" if info_of(case).needs_device else "the driver needs no device")
    def test_two_requests_for_one_device_share_a_lock(self, lab: DriverLab) -> None:
        driver, device = lab.driver(), lab.devices(1)[0]
        one, two = (set(driver.lock_keys(lab.request(lab.pod(), device=device))) for _ in range(2))
        assert one & two, f"two sandboxes may work on the device {device} at once: their keys are {one} and {two}"

    def test_long_identities_give_names_that_fit(self, lab: DriverLab) -> None:
        """What a runtime may ask: 64 characters of container id, 15 of interface name."""
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        request = lab.request(pod, container_id=f"{_LONG_ID}0001", ifname=_LONG_IFNAME)
        attachment = lab.plan(driver, request)
        other = lab.plan(driver, dataclasses.replace(request, container_id=f"{_LONG_ID}0002"))
        links = lab.node_links()
        driver.attach(attachment, lab.call())
        made = lab.node_links() - links
        shared = [name for kind, name in attachment.names.items() if name in made and other.names.get(kind) == name]
        assert not shared, "two sandboxes whose ids differ in the last character get the same names"
        lab.up(attachment)
        lab.clean_check(driver, attachment)
        driver.detach(attachment, lab.call())
        unchanged(before, lab.picture(pod), "after detach")
