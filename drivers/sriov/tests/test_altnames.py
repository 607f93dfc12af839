"""Alternative names of a device's link: udev keeps old names as such. They stay on the host, and are back when the link is."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from secnet.contract import Attachment, Conflict, from_json, to_json
from secnet_conformance.netns import Namespace
from secnet_conformance.steps import At, Fault, StepPoint, fail
from secnet_testing.netns import run_in

from .conftest import Lab

pytestmark = pytest.mark.kernel


def add(name: str, altname: str, *, where: Namespace | None = None) -> None:
    run_in(where, ["ip", "link", "property", "add", "dev", name, "altname", altname])


def altnames(lab: Lab, name: str = "vf0") -> tuple[str, ...]:
    link = lab.host_link(name)
    assert link is not None
    assert link.name == name
    return link.altnames


@pytest.fixture
def pod(lab: Lab) -> Namespace:
    made = lab.new_netns()
    run_in(made, ["ip", "link", "add", "other", "type", "veth", "peer", "name", "peer"])
    return made


@pytest.mark.parametrize("names", [("net1",), ("other",), ("enp59s0v0", "net1", "other")])
def test_the_pods_names_may_be_altnames_of_the_device(lab: Lab, pod: Namespace, names: tuple[str, ...]) -> None:
    for name in names:
        add("vf0", name)
    driver = lab.driver()
    attachment, _, _ = lab.attach(driver, pod)
    link = lab.pod_link(pod)
    assert link is not None
    assert (link.name, link.altnames) == ("net1", ())
    assert driver.check(attachment, lab.call()).clean
    driver.detach(from_json(Attachment, to_json(attachment)), lab.call())
    assert altnames(lab) == names


def test_a_plan_that_was_never_carried_out_leaves_them(lab: Lab, pod: Namespace) -> None:
    add("vf0", "net1")
    driver = lab.driver()
    driver.detach(lab.plan(driver, pod), lab.call())
    assert altnames(lab) == ("net1",)


def test_the_host_gave_one_to_another_link_meanwhile(lab: Lab, pod: Namespace) -> None:
    add("vf0", "first")
    add("vf0", "second")
    driver = lab.driver()
    attachment, _, _ = lab.attach(driver, pod)
    add("vf1", "first")
    driver.detach(attachment, lab.call())
    assert altnames(lab) == ("second",)
    assert altnames(lab, "vf1") == ("first",)


def test_the_host_gave_one_back_by_itself_meanwhile(lab: Lab, pod: Namespace) -> None:
    add("vf0", "first")
    driver = lab.driver()
    attachment, _, _ = lab.attach(driver, pod)
    lab.end(pod)
    add("back0", "first")
    driver.detach(attachment, lab.call())
    assert altnames(lab) == ("first",)


def test_a_link_that_came_back_with_its_old_name_as_an_altname_gets_it_as_its_name(lab: Lab, pod: Namespace) -> None:
    driver = lab.driver()
    attachment, _, _ = lab.attach(driver, pod)
    lab.end(pod)
    add("back0", "vf0")
    driver.detach(attachment, lab.call())
    assert altnames(lab) == ()


def test_an_altname_that_the_pod_gave_keeps_no_device(lab: Lab, pod: Namespace) -> None:
    driver = lab.driver()
    attachment, _, _ = lab.attach(driver, pod)
    for name in ("vf1", "vf0"):  # a link of the host, and the name that the device is to have there
        add("net1", name, where=pod)
    driver.detach(attachment, lab.call())
    assert altnames(lab) == ()
    assert lab.host_link("vf1") is not None


def test_an_attachment_of_before_has_none_to_give_back(lab: Lab, pod: Namespace) -> None:
    driver = lab.driver()
    attachment, _, _ = lab.attach(driver, pod)
    assert "altnames" not in attachment.prior
    driver.detach(attachment, lab.call())
    assert altnames(lab) == ()


def test_an_altname_of_another_interface_of_the_pod_is_a_conflict_that_names_it(lab: Lab, pod: Namespace) -> None:
    add("other", "net1", where=pod)
    with pytest.raises(Conflict, match="net1 is an alternative name of the Pod's interface other"):
        lab.plan(lab.driver(), pod)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2])
def test_what_breaks_off_while_they_are_taken_away_or_given_back_loses_none(
    lab: Lab, pod: Namespace, number: int, moment: str
) -> None:
    for name in ("first", "net1"):
        add("vf0", name)
    point = StepPoint(name="link.altname", number=number, moment=moment)
    driver = lab.driver()
    attachment = lab.plan(driver, pod)
    with pytest.raises(Fault):
        driver.attach(attachment, lab.call(At(point, fail)))
    with suppress(Fault):  # not where none was taken away yet
        lab.driver().detach(attachment, lab.call(At(replace(point, number=1), fail)))
    lab.driver().detach(attachment, lab.call())
    assert sorted(altnames(lab)) == ["first", "net1"]
