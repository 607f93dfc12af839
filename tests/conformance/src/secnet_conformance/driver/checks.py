"""`check` finds drift, and `attach` repairs it: in place, or after a detach, with the plan as it was recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from secnet.contract import Attachment, AttachResult, CheckReport, Finding, Gone, NetworkDriver, SecnetError
from secnet.linux.rtnl import pod_rtnl

from ..cases import Breakage
from ..netns import Namespace
from ..suite import applies
from .lab import IFNAME, DriverLab, DriverTests, without_netdev
from .sandboxes import until_free

__all__ = ["Checks"]

_OWN_NETNS = "/proc/thread-self/ns/net"
_TAKEN = "taken0"
_RENAMED = "other0"
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
    def test_a_renamed_link_is_found_or_left_to_the_pod(self, lab: DriverLab) -> None:
        """The launcher of a virtual machine renames it: `in_use` says so, and name, MAC and MTU are its business then."""

        def rename(pod: Namespace, attachment: Attachment) -> None:
            lab.host.run_in(pod, f"ip link set {IFNAME} down")
            lab.host.run_in(pod, f"ip link set {IFNAME} name {_RENAMED}")

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
    report = _report_soon(lab, driver, attachment)
    if report.in_use:
        assert not code, f"{code} was to be found, and check says: {report.in_use}"
        _require_findings_of_the_host(report)
        driver.detach(attachment, lab.call())
        with pod_rtnl(attachment.request.netns) as (_, inside):
            assert inside.link(_RENAMED) is None, f"detach leaves the interface in the Pod, which is {report.in_use}"
        return
    _require_findings(report.findings, code)
    if all(finding.repairable for finding in report.findings):
        _repair(lab, driver, attachment, result)
    driver.detach(attachment, lab.call())


def _repair(lab: DriverLab, driver: NetworkDriver, attachment: Attachment, result: AttachResult) -> None:
    """As the core does it: nothing is planned again, as the NAD may have changed since."""
    with suppress(SecnetError):  # a driver may need the detach
        driver.attach(attachment, lab.call())
        lab.up(attachment, result)
        if driver.check(attachment, lab.call()).clean:
            return
    driver.detach(attachment, lab.call())
    driver.attach(attachment, lab.call())
    lab.up(attachment, result)
    lab.clean_check(
        driver, attachment, "check after what is repairable was detached and attached again by the same plan"
    )


def _report_soon(lab: DriverLab, driver: NetworkDriver, attachment: Attachment) -> CheckReport:
    """What a check finds, at the latest after some seconds: a driver may read a copy of a database that follows its server."""
    until = time.monotonic() + _COPY_SECONDS
    while True:
        report = driver.check(attachment, lab.call())
        if report.findings or report.in_use or time.monotonic() >= until:
            return report
        time.sleep(0.05)


def _require_findings_of_the_host(report: CheckReport) -> None:
    inside = [finding.code for finding in report.findings if finding.in_pod]
    assert not inside, f"check finds {inside} in the Pod, and says that it is {report.in_use}"


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
