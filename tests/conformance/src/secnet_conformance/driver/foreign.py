"""An object of another owner has the place of ours: it is a Conflict, and it survives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from secnet.contract import Attachment, AttachmentId, Conflict, NetworkDriver
from secnet.linux.names import LINK_GROUP, alias_for

from ..cases import Foreign
from ..netns import Namespace
from ..snapshot import HostSnapshot
from ..suite import applies, not_here
from .lab import IFNAME, DriverLab, DriverTests, unchanged, without_netdev

__all__ = ["ForeignObjects"]


class ForeignObjects(DriverTests):
    """R2: an existing object is accepted only with our owner tag. R6: others are never touched."""

    group = "foreign objects"

    def test_a_link_of_our_name_is_a_conflict_and_survives(self, lab: DriverLab) -> None:
        driver, pod = lab.driver(), lab.pod()
        attachment, names = _made_by_attach(lab, driver, pod)
        for name in names:
            _require_refused(lab, driver, pod, attachment, partial(lab.host.run, f"ip link add {name} type bridge"))
            lab.host.run(f"ip link del {name}")

    def test_a_link_that_took_our_name_after_attach_survives_detach(self, lab: DriverLab) -> None:
        driver, pod = lab.driver(), lab.pod()
        _, names = _made_by_attach(lab, driver, pod)
        for name in names:
            attachment = lab.attach(driver, pod)
            lab.host.run(f"ip link del {name}")
            lab.host.run(f"ip link add {name} type bridge")
            before = _link(lab.picture(), name)
            driver.detach(attachment, lab.call())
            assert _link(lab.picture(), name) == before, f"detach touched the foreign link {name}"
            lab.host.run(f"ip link del {name}")

    @applies(without_netdev)
    def test_an_interface_that_the_pod_has_is_a_conflict_and_survives(self, lab: DriverLab) -> None:
        driver, pod = lab.driver(), lab.pod()
        attachment = lab.plan(driver, lab.request(pod))
        _require_refused(
            lab, driver, pod, attachment, lambda: lab.host.run_in(pod, f"ip link add {IFNAME} type bridge")
        )

    def test_a_link_of_another_driver_is_none_of_ours(self, lab: DriverLab) -> None:
        """All drivers of an agent share tag and group; what one takes for its own, it might remove."""
        key = AttachmentId(container_id="of-another-driver", ifname=IFNAME)
        lab.host.run(f"ip link add zz-other group {LINK_GROUP} type veth peer name zz-end")
        lab.host.run(f"ip link set zz-other alias {alias_for(lab.context.owner_tag, key)}")
        try:
            found = lab.driver().inventory(lab.call())
        finally:
            lab.host.run("ip link del zz-other")
        assert key not in {item.attachment.key for item in found.owned}, "the inventory lists another driver's link"
        assert "zz-other" not in {item.name for item in found.foreign}, (
            "the inventory calls another driver's link foreign"
        )

    def test_what_else_has_our_name_is_a_conflict_and_survives(self, lab: DriverLab, foreign: Foreign) -> None:
        driver, pod = lab.driver(), lab.pod()
        attachment = lab.plan(driver, lab.request(pod))
        _require_refused(lab, driver, pod, attachment, lambda: foreign.make(lab.host, attachment))


def _made_by_attach(lab: DriverLab, driver: NetworkDriver, pod: Namespace) -> tuple[Attachment, list[str]]:
    """A plan, and the links that attach makes on the node. Where it makes none, the test does not apply."""
    links = lab.node_links()
    attachment = lab.attach(driver, pod)
    names = sorted(lab.node_links() - links)
    driver.detach(attachment, lab.call())
    if not names:
        not_here("attach makes no link on the node")
    return attachment, names


def _require_refused(
    lab: DriverLab, driver: NetworkDriver, pod: Namespace, attachment: Attachment, make: Callable[[], object]
) -> None:
    """With the object there, a new attempt is a Conflict, and so is one that was planned before; nothing changes."""
    make()
    before = lab.picture(pod)
    with pytest.raises(Conflict) as raised:
        driver.attach(lab.plan(driver, attachment.request), lab.call())
    assert raised.value.hint, "the Conflict does not say what to do"
    unchanged(before, lab.picture(pod), "after plan and attach were refused")
    with pytest.raises(Conflict):
        driver.attach(attachment, lab.call())
    driver.detach(attachment, lab.call())
    unchanged(before, lab.picture(pod), "after attach by an earlier plan was refused, and detach")


def _link(picture: HostSnapshot, name: str) -> Any:
    return picture.to_json()["namespaces"]["node"]["links"].get(name)
