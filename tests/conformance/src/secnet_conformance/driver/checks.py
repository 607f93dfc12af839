"""`check` finds drift, and a new attach repairs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from secnet.contract import Attachment, Finding, Gone, NetworkDriver
from secnet.linux.rtnl import pod_rtnl

from ..cases import Breakage
from ..netns import Namespace
from ..suite import applies
from .lab import IFNAME, DriverLab, DriverTests, without_netdev
from .sandboxes import until_free

__all__ = ["Checks"]

_OWN_NETNS = "/proc/thread-self/ns/net"
_TAKEN = "taken0"
_COPY_SECONDS = 2.0


class Checks(DriverTests):
    """Each breakage of the case, and those that can befall any link. What is `repairable` must go by detach and a new attach."""

    group = "checks"

    def test_a_breakage_is_found_and_repaired_by_a_new_attach(self, lab: DriverLab, breakage: Breakage) -> None:
        _break(lab, lambda pod, attachment: breakage.how(lab.host, attachment), breakage.code)

    @applies(without_netdev)
    def test_a_deleted_link_is_found(self, lab: DriverLab) -> None:
        """A link of hardware cannot be deleted: it is moved out of the Pod."""

        def take(pod: Namespace, attachment: Attachment) -> None:
            lab.host.run_in(pod, f"ip link del {IFNAME}", check=False)
            link = lab.link(attachment)
            if link is not None:
                with pod_rtnl(attachment.request.netns) as (_, inside), open(_OWN_NETNS) as node:
                    inside.move_link(link.index, node.fileno(), _TAKEN)
            assert lab.link(attachment) is None, f"{IFNAME} can be neither deleted nor moved to the node"

        _break(lab, take, "")

    @applies(without_netdev)
    def test_a_renamed_link_is_found(self, lab: DriverLab) -> None:
        def rename(pod: Namespace, attachment: Attachment) -> None:
            lab.host.run_in(pod, f"ip link set {IFNAME} down")
            lab.host.run_in(pod, f"ip link set {IFNAME} name other0")

        _break(lab, rename, "")

    @applies(without_netdev)
    def test_another_mtu_is_found(self, lab: DriverLab) -> None:
        def shrink(pod: Namespace, attachment: Attachment) -> None:
            link = lab.link(attachment)
            assert link is not None
            lab.host.run_in(pod, f"ip link set {IFNAME} mtu {link.mtu - 4}")

        _break(lab, shrink, "")

    @applies(without_netdev)
    def test_another_mac_is_found(self, lab: DriverLab) -> None:
        def change(pod: Namespace, attachment: Attachment) -> None:
            lab.host.run_in(pod, f"ip link set {IFNAME} down")
            lab.host.run_in(pod, f"ip link set {IFNAME} address 02:53:4e:ff:ff:01")
            lab.host.run_in(pod, f"ip link set {IFNAME} up")

        _break(lab, change, "")

    def test_a_netns_that_is_gone_is_found(self, lab: DriverLab) -> None:
        driver, pod = lab.driver(), lab.pod()
        attachment = lab.attach(driver, pod)
        lab.remove(pod)
        assert _findings(lab, driver, attachment), "check is clean, and there is no sandbox"
        until_free(lab, driver, attachment)


def _break(lab: DriverLab, how: Callable[[Namespace, Attachment], object], code: str) -> None:
    driver, pod = lab.driver(), lab.pod()
    attachment = lab.plan(driver, lab.request(pod))
    result = driver.attach(attachment, lab.call())
    lab.up(attachment, result)
    lab.clean_check(driver, attachment, "check of what is unbroken")
    how(pod, attachment)
    findings = _findings_soon(lab, driver, attachment)
    _require_findings(findings, code)
    driver.detach(attachment, lab.call())
    if not all(finding.repairable for finding in findings):
        return  # the driver says that a new attach would not help
    again = lab.plan(driver, attachment.request)
    driver.attach(again, lab.call())
    lab.up(again, result)
    lab.clean_check(driver, again, "check after a breakage that is repairable was repaired by detach and a new attach")
    driver.detach(again, lab.call())


def _findings_soon(lab: DriverLab, driver: NetworkDriver, attachment: Attachment) -> Sequence[Finding]:
    """What a check finds, at the latest after some seconds: a driver may read a copy of a database that follows its server."""
    until = time.monotonic() + _COPY_SECONDS
    while True:
        findings = driver.check(attachment, lab.call()).findings
        if findings or time.monotonic() >= until:
            return findings
        time.sleep(0.05)


def _require_findings(findings: Sequence[Finding], code: str) -> None:
    assert findings, "check finds nothing"
    for finding in findings:
        assert isinstance(finding, Finding), f"check reported {finding!r}"
        assert finding.code, f"a finding without a code: {finding.message}"
        assert finding.message, f"a finding without a message: {finding.code}"
    assert code in ("", *(finding.code for finding in findings)), f"found was {[item.code for item in findings]}"


def _findings(lab: DriverLab, driver: NetworkDriver, attachment: Attachment) -> bool:
    """Whether check finds something, or says that the sandbox is gone."""
    try:
        return not driver.check(attachment, lab.call()).clean
    except Gone:
        return True
