"""The veth pair of an attachment, with the test's own namespace as the host."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from secnet.contract import (
    Attachment,
    AttachRequest,
    Call,
    Cancelled,
    Conflict,
    Gone,
    HostContext,
    Timeout,
)
from secnet.linux import sysctl
from secnet.linux.names import LINK_GROUP, host_ifname, mac_for
from secnet.linux.rtnl import Link, host_rtnl
from secnet.linux.veths import VethPairs
from secnet_conformance.needs import requires_link_kind
from secnet_conformance.snapshot import HostSnapshot, diff
from secnet_conformance.steps import At, Fault, Recorder, StepPoint, fail, points_around
from secnet_testing.netns import Namespace, NetnsFactory, run_in

from .conftest import request_for

pytestmark = pytest.mark.kernel

PREFIX = "tv"
STEPS = ["veth.create", "veth.silence", "veth.up"]


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A driver's pairs on a host, and a Pod."""

    veths: VethPairs
    pod: Namespace
    host: HostContext

    def request(self, **fields: Any) -> AttachRequest:
        """A request of the Pod."""
        return request_for(self.pod, network_type="wire", **fields)

    def plan(self, **fields: Any) -> Attachment:
        """A plan for such a request."""
        return self.veths.plan(self.request(**fields), mtu=1400)

    def codes(self, attachment: Attachment) -> list[str]:
        """What differs from the plan."""
        return [finding.code for finding in self.veths.check(attachment).findings]

    def picture(self) -> HostSnapshot:
        """Host and Pod."""
        return HostSnapshot.take({"pod": self.pod.path}, netns_dir=Path("/nonexistent"))


@pytest.fixture
def lab(node_netns: Namespace, netns_factory: NetnsFactory, tmp_path: Path) -> Lab:
    requires_link_kind("veth")
    host = HostContext(node_name="node", run_dir=tmp_path)
    return Lab(veths=VethPairs(host, "wire", prefix=PREFIX), pod=netns_factory(), host=host)


def host_link(name: str) -> Link | None:
    with host_rtnl() as kernel:
        return kernel.link(name)


def test_the_plan_follows_from_the_key_and_changes_nothing(lab: Lab) -> None:
    before = lab.picture()
    plan = lab.veths.plan(lab.request(), mtu=1400, names={"bridge": "br0"}, state={"colour": "red"})
    assert dict(plan.names) == {"host": host_ifname(plan.key, PREFIX), "bridge": "br0"}
    assert dict(plan.state) == {"colour": "red"}
    assert (plan.mac, plan.mtu) == (mac_for(plan.key), 1400)
    assert lab.plan(mac="02:00:00:00:00:07").mac == "02:00:00:00:00:07"
    assert diff(before, lab.picture()) == []


def test_the_pair_is_finished_silent_and_marked(lab: Lab) -> None:
    """Asked of iproute2 as well, so that our reading is not proved by our reading."""
    steps, plan = Recorder(), lab.plan(mac="02:00:00:00:00:07")
    made = lab.veths.make(plan, Call(observers=(steps,)))
    name = plan.names["host"]
    assert steps.names == STEPS
    assert made.host == host_link(name)
    assert (made.host.alias, made.host.group, made.host.up) == ("secnet:c1/eth1", LINK_GROUP, True)
    assert sysctl.read(f"ipv6/conf/{name}/disable_ipv6") == "1"
    shown = run_in(lab.pod, ["ip", "-d", "-o", "link", "show", "eth1"])
    assert "link/ether 02:00:00:00:00:07" in shown
    assert "mtu 1400" in shown
    assert "state DOWN" in shown
    result = made.result(bridge="br0")
    assert (result.mac, result.mtu, dict(result.details)) == ("02:00:00:00:00:07", 1400, {"bridge": "br0"})
    assert [(item.name, item.mac, item.mtu) for item in result.host_interfaces] == [(name, made.host.mac, 1400)]
    assert lab.codes(plan) == []


def test_what_is_there_and_right_is_left_alone(lab: Lab) -> None:
    steps, plan, first = Recorder(), lab.plan(), []
    made = lab.veths.make(plan, Call())
    again = lab.veths.make(plan, Call(observers=(steps,)), first=lambda: first.append(1))
    assert (again, steps.names, first) == (made, [], [])
    assert lab.plan() == plan


@pytest.mark.parametrize("point", points_around(STEPS), ids=str)
def test_what_died_anywhere_is_removed_or_finished(lab: Lab, point: StepPoint) -> None:
    before, plan = lab.picture(), lab.plan()
    for recover in (lab.veths.make, lab.veths.remove):
        with pytest.raises(Fault):
            lab.veths.make(plan, Call(observers=(At(point, fail),)))
        assert lab.plan() == plan  # what is left is no foreign link
        recover(plan, Call())
        assert lab.codes(plan) == ([] if recover == lab.veths.make else ["HostLinkMissing"])
        lab.veths.remove(plan, Call())
        assert diff(before, lab.picture()) == []


def test_a_foreign_link_of_the_hosts_name_is_a_conflict_and_stays(lab: Lab) -> None:
    plan = lab.plan()
    run_in(None, ["ip", "link", "add", plan.names["host"], "type", "veth", "peer", "name", "other"])
    before = lab.picture()
    for act in (lambda: lab.plan(), lambda: lab.veths.make(plan, Call())):
        with pytest.raises(Conflict, match="was not made for this interface"):
            act()
    lab.veths.remove(plan, Call())
    assert diff(before, lab.picture()) == []
    assert lab.codes(plan) == ["HostLinkMissing"]


@pytest.mark.parametrize("mark", ["alias secnet:c2/eth1", "alias other:c1/eth1", "group 7"])
def test_a_pair_of_another_owner_is_foreign(lab: Lab, mark: str, caplog: pytest.LogCaptureFixture) -> None:
    plan = lab.plan()
    made = lab.veths.make(plan, Call())
    for change in ("alias ", mark):
        run_in(None, ["ip", "link", "set", made.host.name, *change.split(" ")])
    with caplog.at_level(logging.WARNING):
        lab.veths.remove(plan, Call())
    assert host_link(made.host.name) is not None
    assert f"the link {made.host.name} is not ours and stays" in caplog.text


def test_an_interface_of_the_pod_is_a_conflict_and_stays(lab: Lab) -> None:
    plan = lab.plan()
    run_in(lab.pod, ["ip", "link", "add", "eth1", "type", "veth", "peer", "name", "other"])
    before = lab.picture()
    with pytest.raises(Conflict, match="the Pod has an interface eth1 already"):
        lab.plan()
    with pytest.raises(Conflict, match="named eth1 exists already in the Pod"):
        lab.veths.make(plan, Call())
    assert diff(before, lab.picture()) == []


def test_a_pair_whose_sandbox_is_gone_makes_room(lab: Lab, netns_factory: NetnsFactory) -> None:
    old, steps, first = lab.plan(), Recorder(), []
    lab.veths.make(old, Call())
    new = lab.plan(netns=netns_factory().ref)
    lab.veths.make(new, Call(observers=(steps,)), first=lambda: first.append(list(steps.names)))
    assert (steps.names, first) == (["veth.delete", *STEPS], [[]])
    assert lab.codes(new) == []
    assert "eth1" not in run_in(lab.pod, ["ip", "link", "show"])


def test_the_pair_goes_without_the_pods_namespace(lab: Lab) -> None:
    plan, keeper = lab.plan(), lab.pod.open()
    with keeper:  # the namespace lives on without its path, as with a process that is slow to end
        lab.veths.make(plan, Call())
        run_in(None, ["ip", "netns", "del", lab.pod.name])
        with pytest.raises(Gone):
            lab.veths.make(plan, Call())
        with pytest.raises(Gone):
            lab.veths.check(plan)
        lab.veths.remove(plan, Call())
        lab.veths.remove(plan, Call())
    assert host_link(plan.names["host"]) is None


@pytest.mark.parametrize(
    ("where", "command", "code"),
    [
        ("host", "set {host} down", "HostLinkDown"),
        ("host", "set {host} alias theirs", "HostLinkMissing"),
        ("host", "set {host} mtu 1300", "WrongMtu"),
        ("host", "del {host}", "HostLinkMissing"),
        ("pod", "set eth1 mtu 1300", "WrongMtu"),
        ("pod", "set eth1 address 02:00:00:00:00:99", "WrongMac"),
        ("pod", "del eth1", "HostLinkMissing"),
    ],
)
def test_what_someone_changed_is_found(lab: Lab, where: str, command: str, code: str) -> None:
    plan = lab.plan()
    lab.veths.make(plan, Call())
    command = command.format(host=plan.names["host"])
    run_in(lab.pod if where == "pod" else None, ["ip", "link", *command.split()])
    assert lab.codes(plan) == [code]


def test_the_hosts_end_is_repaired_in_place_and_the_pods_end_is_left_to_check(lab: Lab) -> None:
    plan = lab.plan()
    pair = lab.veths.make(plan, Call())
    host, pod = plan.names["host"], lab.pod
    run_in(None, ["ip", "link", "set", host, "down", "mtu", "1300"])
    run_in(pod, ["ip", "link", "set", "eth1", "mtu", "1350", "address", "02:00:00:00:00:99"])
    again = lab.veths.make(plan, Call())
    assert (again.host.index, again.pod.index) == (pair.host.index, pair.pod.index)
    assert (again.host.up, again.host.mtu) == (True, 1400)
    assert [(found.code, found.in_pod) for found in lab.veths.check(plan).findings] == [
        ("WrongMac", True),
        ("WrongMtu", True),
    ]


@pytest.mark.parametrize("used", [False, True], ids=["", "in use in the Pod"])
def test_a_hosts_end_that_was_renamed_gets_its_name_back(lab: Lab, used: bool) -> None:
    plan = lab.plan()
    pair = lab.veths.make(plan, Call())
    host = plan.names["host"]
    run_in(None, ["ip", "link", "set", host, "name", "other0"])
    if used:
        run_in(lab.pod, ["ip", "link", "set", "eth1", "name", "eth1-nic"])
    assert lab.codes(plan) == ["HostLinkRenamed"]
    again = lab.veths.make(plan, Call())
    assert (again.host.index, again.host.name, again.host.up) == (pair.host.index, host, True)
    assert (again.pod.index, again.created) == (pair.pod.index, False)
    assert lab.codes(plan) == []


def test_the_link_of_another_driver_for_the_same_interface_is_not_renamed(lab: Lab) -> None:
    plan, other = lab.plan(), VethPairs(lab.host, "other", prefix="other")
    made = other.make(other.plan(lab.request(), mtu=1400), Call())
    assert lab.codes(plan) == ["HostLinkMissing"]
    with pytest.raises(Conflict):
        lab.veths.make(plan, Call())
    assert host_link(made.host.name) is not None


LAUNCHER = (
    "link set eth1 name eth1-nic",
    "link set eth1-nic address 02:00:00:00:00:99 mtu 1350",
    "link add k6t type bridge",
    "link set eth1-nic master k6t",
    "link add eth1 type bridge",
)


@pytest.mark.parametrize("steps", range(1, len(LAUNCHER) + 1))
def test_what_a_launcher_in_the_pod_took_over_is_left_to_it(lab: Lab, steps: int) -> None:
    """After each of its steps; the last one is a stand-in with the interface's name."""
    plan = lab.plan()
    pair = lab.veths.make(plan, Call())
    for step in LAUNCHER[:steps]:
        run_in(lab.pod, ["ip", *step.split()])
    run_in(None, ["ip", "link", "set", plan.names["host"], "down"])
    found = lab.veths.check(plan)
    wanted = "renamed to eth1-nic in the Pod" if steps < 4 else "in use by the bridge k6t in the Pod, as eth1-nic"
    assert (found.in_use, [finding.code for finding in found.findings]) == (wanted, ["HostLinkDown"])
    again = lab.veths.make(plan, Call())
    assert (again.host.up, again.pod.index, again.pod.name) == (True, pair.pod.index, "eth1-nic")
    assert lab.codes(plan) == []
    lab.veths.remove(plan, Call())
    assert lab.codes(plan) == ["HostLinkMissing"]


def test_a_pair_within_the_pod_is_not_mistaken_for_ours(lab: Lab, netns_factory: NetnsFactory) -> None:
    """Indexes count per namespace: the Pod can have a pair of its own whose indexes are those of ours."""
    run_in(None, ["ip", "link", "add", "filler", "type", "bridge"])
    plan, elsewhere = lab.plan(), netns_factory()
    pair = lab.veths.make(plan, Call())
    run_in(lab.pod, ["ip", "link", "set", "eth1", "netns", elsewhere.name])
    ends = f"eth1 index {pair.pod.index} type veth peer other index {pair.host.index}"
    run_in(lab.pod, ["ip", "link", "add", *ends.split()])
    assert lab.codes(plan) == ["PodLinkMissing"]
    with pytest.raises(Conflict):
        lab.plan()
    run_in(None, ["ip", "link", "del", "filler"])


def test_no_pair_is_created_for_a_call_that_has_ended(lab: Lab) -> None:
    before, plan, withdrawn = lab.picture(), lab.plan(), Call()
    withdrawn.cancel.set()
    for call, error in ((Call.within(-1), Timeout), (withdrawn, Cancelled)):
        with pytest.raises(error):
            lab.veths.make(plan, call)
    assert diff(before, lab.picture()) == []


def test_the_inventory_rebuilds_what_can_be_removed(lab: Lab) -> None:
    before, plan = lab.picture(), lab.plan()
    lab.veths.make(plan, Call())
    (owned,) = VethPairs(lab.host, "wire", prefix=PREFIX).inventory().owned
    rebuilt = owned.attachment
    assert owned.complete
    assert (rebuilt.key, rebuilt.request.network_type, rebuilt.names, rebuilt.mtu) == (
        plan.key,
        "wire",
        {"host": plan.names["host"]},
        1400,
    )
    assert [item.complete for item in lab.veths.inventory(whole=lambda link: link.master != 0).owned] == [False]
    run_in(None, ["ip", "link", "set", plan.names["host"], "down"])
    assert [item.complete for item in lab.veths.inventory().owned] == [False]
    lab.veths.remove(rebuilt, Call())
    assert lab.veths.inventory().owned == ()
    assert diff(before, lab.picture()) == []


def test_the_inventory_leaves_out_what_is_of_others(lab: Lab) -> None:
    """Another driver's (one half made), another agent's, and a link with our mark under a name that is not of its key."""
    others = (
        VethPairs(lab.host, "other", prefix="to"),
        VethPairs(dataclasses.replace(lab.host, owner_tag="second"), "wire", prefix=PREFIX),
    )
    for number, veths in enumerate(others):
        veths.make(veths.plan(lab.request(container_id=f"o{number}", ifname=f"eth{number}"), mtu=1400), Call())
    run_in(None, ["ip", "link", "add", "tvcopy", "group", str(LINK_GROUP), "type", "veth", "peer", "name", "x"])
    run_in(None, ["ip", "link", "set", "tvcopy", "alias", "secnet:c1/eth1"])
    run_in(None, ["ip", "link", "add", "tohalf", "group", str(LINK_GROUP), "type", "veth", "peer", "name", "y"])
    found = lab.veths.inventory()
    assert (found.owned, found.foreign) == ((), ())


def test_a_link_that_names_no_attachment_is_reported(lab: Lab) -> None:
    with pytest.raises(Fault):
        lab.veths.make(lab.plan(), Call(observers=(At(StepPoint.parse("veth.create#1:after"), fail),)))
    name = host_ifname(lab.request().key, PREFIX)
    found = lab.veths.inventory()
    assert (found.owned, [(item.kind, item.name) for item in found.foreign]) == ((), [("link", name)])
    assert f"ip link del {name}" in found.foreign[0].message
    assert lab.veths.inventory([]).foreign == ()
