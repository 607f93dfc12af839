"""The link of an attachment that sits on a link of the host, with the test's own namespace as the host."""

from __future__ import annotations

import dataclasses
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from secnet.contract import (
    Attachment,
    AttachRequest,
    Busy,
    Call,
    Cancelled,
    Conflict,
    Gone,
    HostContext,
    InvalidConfig,
    NotReady,
    Timeout,
    Unsupported,
    VerifyFailed,
)
from secnet.linux.masterlinks import MasterLinks
from secnet.linux.names import LINK_GROUP, mac_for
from secnet.linux.rtnl import Link
from secnet_conformance.needs import requires_link_kind
from secnet_conformance.snapshot import HostSnapshot, diff
from secnet_conformance.steps import At, Fault, Recorder, StepPoint, fail, points_around
from secnet_testing.netns import Namespace, NetnsFactory, run_in

from .conftest import request_for

pytestmark = pytest.mark.kernel

MASTER, MASTER_MAC = "up0", "02:00:00:00:0a:01"
STEPS = ["macvlan.create", "macvlan.mark"]
PRIVATE = [("IFLA_MACVLAN_MODE", "private")]


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A driver's links on a host with a master, and a Pod."""

    links: MasterLinks
    pod: Namespace

    def request(self, master: str = MASTER, **fields: Any) -> AttachRequest:
        """A request of the Pod."""
        return request_for(self.pod, network_type="macvlan", options={"master": master}, **fields)

    def plan(self, **fields: Any) -> Attachment:
        """A plan for such a request."""
        request = self.request(**fields)
        return self.links.plan(request, self.links.master(request))

    def make(self, attachment: Attachment, call: Call | None = None) -> Link:
        """The link of a plan."""
        return self.links.make(attachment, call or Call(), data=PRIVATE, mode="private")

    def codes(self, attachment: Attachment) -> list[tuple[str, bool]]:
        """What differs from the plan, and whether making it again would repair it."""
        found = self.links.findings(attachment, self.links.read(attachment))
        return [(finding.code, finding.repairable) for finding in found]

    def picture(self) -> HostSnapshot:
        """Host and Pod."""
        return HostSnapshot.take({"pod": self.pod.path}, netns_dir=Path("/nonexistent"))


@pytest.fixture
def lab(node_netns: Namespace, netns_factory: NetnsFactory, tmp_path: Path) -> Lab:
    requires_link_kind("veth", "macvlan", "bridge")
    run_in(None, ["ip", "link", "add", MASTER, "address", MASTER_MAC, "type", "veth", "peer", "name", "up1"])
    host = HostContext(node_name="node", run_dir=tmp_path)
    return Lab(links=MasterLinks(host, "macvlan", never_on=("macvlan", "macvtap")), pod=netns_factory())


def in_pod(lab: Lab, command: str) -> str:
    return run_in(lab.pod, ["ip", *command.split()])


def on_host(command: str) -> str:
    return run_in(None, ["ip", *command.split()])


def test_the_plan_has_the_masters_index_and_mtu_and_changes_nothing(lab: Lab) -> None:
    on_host(f"link set {MASTER} mtu 1400")
    before, request = lab.picture(), lab.request()
    master = lab.links.master(request)
    plan = lab.links.plan(request, master, state={"mode": "private"})
    assert dict(plan.names) == {"master": MASTER}
    assert dict(plan.state) == {"master_index": master.index, "mode": "private"}
    assert (plan.mac, plan.mtu) == (mac_for(plan.key), 1400)
    asked = lab.plan(mac="02:00:00:00:00:07", mtu=1300)
    assert (asked.mac, asked.mtu) == ("02:00:00:00:00:07", 1300)
    assert lab.links.plan(request, master, mac=master.mac).mac == MASTER_MAC
    with pytest.raises(InvalidConfig, match="does not fit through up0") as caught:
        lab.plan(mtu=1401)
    assert caught.value.path == "$.mtu"
    assert diff(before, lab.picture()) == []


@pytest.mark.parametrize(
    ("master", "error", "words"),
    [
        ("none0", NotReady, "the host has no link none0"),
        ("lo", Unsupported, "lo is no Ethernet device and carries no macvlan"),
        ("mv0", Unsupported, "mv0 is a macvlan itself and carries no macvlan"),
        ("port0", Busy, "port0 is a port of br0"),
    ],
)
def test_a_master_that_can_carry_none_is_refused(lab: Lab, master: str, error: type[Exception], words: str) -> None:
    on_host(f"link add mv0 link {MASTER} type macvlan")
    on_host("link add br0 type bridge")
    on_host("link add port0 type veth peer name port1")
    on_host("link set port0 master br0")
    with pytest.raises(error, match=words):
        lab.links.master(lab.request(master))
    assert lab.links.master(lab.request("br0")).name == "br0"


def test_the_option_of_the_master_has_any_name(lab: Lab) -> None:
    request = dataclasses.replace(lab.request(), options={"parent": "lo"})
    with pytest.raises(Unsupported) as caught:
        lab.links.master(request, "parent")
    assert caught.value.path == "$.parent"


def test_the_link_is_made_in_the_pod_and_marked(lab: Lab) -> None:
    """Asked of iproute2 as well, so that our reading is not proved by our reading."""
    steps, before = Recorder(), on_host("-o link")
    plan = lab.plan(mac="02:00:00:00:00:07", mtu=1300)
    made = lab.make(plan, Call(observers=(steps,)))
    assert steps.names == STEPS
    assert (made.mac, made.mtu, made.group) == ("02:00:00:00:00:07", 1300, LINK_GROUP)
    shown = in_pod(lab, "-d -o link show eth1")
    for words in ("link/ether 02:00:00:00:00:07", "mtu 1300", "macvlan mode private", "alias secnet:c1/eth1", "DOWN"):
        assert words in shown
    assert on_host("-o link") == before
    assert lab.codes(plan) == []


def test_what_is_there_and_right_is_left_alone(lab: Lab) -> None:
    steps, plan = Recorder(), lab.plan()
    made = lab.make(plan)
    assert (lab.make(plan, Call(observers=(steps,))), steps.names) == (made, [])
    assert lab.plan() == plan


@pytest.mark.parametrize("point", points_around(STEPS), ids=str)
def test_what_died_anywhere_is_removed_or_finished(lab: Lab, point: StepPoint) -> None:
    before, plan = lab.picture(), lab.plan()
    for finish in (True, False):
        with pytest.raises(Fault):
            lab.make(plan, Call(observers=(At(point, fail),)))
        assert lab.plan() == plan  # what is left is no foreign link
        if finish:
            lab.make(plan)
            assert lab.codes(plan) == []
        lab.links.remove(plan, Call())
        assert diff(before, lab.picture()) == []


@pytest.mark.parametrize(
    "foreign",
    [
        "type bridge",
        f"link {MASTER} type macvlan",
        f"link {MASTER} group {LINK_GROUP} type macvlan",
        f"link {MASTER} address MAC type macvlan",
    ],
)
def test_an_interface_of_the_pod_is_a_conflict_and_stays(
    lab: Lab, foreign: str, caplog: pytest.LogCaptureFixture
) -> None:
    plan = lab.plan()
    on_host(f"link add eth1 netns {lab.pod.name} {foreign.replace('MAC', plan.mac or '')}")
    before = lab.picture()
    for act in (lab.plan, lambda: lab.make(plan)):
        with pytest.raises(Conflict, match="the Pod has an interface eth1 already"):
            act()
    assert lab.codes(plan) == [("LinkForeign", False)]
    with caplog.at_level(logging.WARNING):
        lab.links.remove(plan, Call())
    assert "the Pod's interface eth1 is not ours and stays" in caplog.text
    assert diff(before, lab.picture()) == []


def test_an_alternative_name_of_another_link_is_taken_too_and_names_it(lab: Lab) -> None:
    plan = lab.plan()
    in_pod(lab, "link property add dev lo altname eth1")
    with pytest.raises(Conflict, match="eth1 is an alternative name of the Pod's interface lo"):
        lab.make(plan)


def test_a_renamed_link_is_left_to_the_pod_gets_no_twin_and_is_removed(lab: Lab) -> None:
    before, plan = lab.picture(), lab.plan()
    made = lab.make(plan)
    in_pod(lab, "link set eth1 name other0")
    with pytest.raises(Conflict, match="renamed eth1 to other0"):
        lab.plan()
    in_pod(lab, "link add k6t type bridge")
    in_pod(lab, "link set other0 address 02:00:00:00:00:99 master k6t")
    assert (lab.codes(plan), lab.links.read(plan).in_use) == ([], "in use by the bridge k6t in the Pod, as other0")
    assert lab.make(plan).index == made.index
    in_pod(lab, "link del k6t")
    assert (lab.codes(plan), lab.links.read(plan).in_use) == ([], "renamed to other0 in the Pod")
    lab.links.remove(plan, Call())
    assert diff(before, lab.picture()) == []


@pytest.mark.parametrize(
    ("where", "command", "codes"),
    [
        ("pod", "link set eth1 address 02:00:00:00:00:99", [("WrongMac", True)]),
        ("pod", "link set eth1 mtu 1300", [("WrongMtu", True)]),
        ("pod", "link set eth1 alias theirs", [("LinkForeign", False)]),
        ("pod", "link del eth1", [("LinkMissing", True)]),
        ("host", f"link del {MASTER}", [("LinkMissing", False), ("MasterMissing", False)]),
        ("host", f"link set {MASTER} mtu 1300", [("WrongMtu", False)]),
        ("host", f"link set {MASTER} name up9", []),
        ("host", f"link set {MASTER} netns NETNS", [("MasterMissing", False)]),
    ],
)
def test_what_someone_changed_is_found(
    lab: Lab, netns_factory: NetnsFactory, where: str, command: str, codes: list[tuple[str, bool]]
) -> None:
    plan = lab.plan(mtu=1500)
    lab.make(plan)
    command = command.replace("NETNS", netns_factory().name)
    run_in(lab.pod if where == "pod" else None, ["ip", *command.split()])
    assert lab.codes(plan) == codes


def test_the_plan_holds_for_a_master_that_was_made_again(lab: Lab) -> None:
    plan = lab.plan()
    lab.make(plan)
    on_host(f"link del {MASTER}")
    on_host("link add filler type bridge")
    on_host(f"link add {MASTER} address {MASTER_MAC} type veth peer name up1")
    assert lab.codes(plan) == [("LinkMissing", True)]
    made = lab.make(plan)
    assert (lab.codes(plan), made.mac) == ([], plan.mac)
    on_host("link del filler")


def test_another_master_is_found(lab: Lab) -> None:
    plan = lab.plan()
    lab.make(plan)
    (index,) = re.findall(r"^(\d+): up1@", on_host("-o link"), re.MULTILINE)
    other = dataclasses.replace(plan, state={"master_index": int(index)})
    assert ("WrongMaster", True) in lab.codes(other)
    with pytest.raises(VerifyFailed, match="sits on another link than the up0"):
        lab.make(other)


def test_a_master_that_takes_none_now_is_busy(lab: Lab) -> None:
    """Its MTU sank after the plan."""
    plan = lab.plan(mtu=1500)
    on_host(f"link set {MASTER} mtu 1300")
    with pytest.raises(Busy, match="up0 takes no macvlan of mode private and MTU 1500 now") as caught:
        lab.make(plan)
    assert caught.value.subject == f"link {MASTER}"


def test_without_the_pods_namespace_there_is_nothing(lab: Lab) -> None:
    plan, master = lab.plan(), lab.links.master(lab.request())
    lab.make(plan)
    run_in(None, ["ip", "netns", "del", lab.pod.name])
    lab.links.remove(plan, Call())
    for act in (lambda: lab.links.plan(plan.request, master), lambda: lab.make(plan), lambda: lab.links.read(plan)):
        with pytest.raises(Gone):
            act()


def test_no_link_is_created_for_a_call_that_has_ended(lab: Lab) -> None:
    before, plan, withdrawn = lab.picture(), lab.plan(), Call()
    withdrawn.cancel.set()
    for call, error in ((Call.within(-1), Timeout), (withdrawn, Cancelled)):
        with pytest.raises(error):
            lab.make(plan, call)
    assert diff(before, lab.picture()) == []
