"""Links that a driver keeps per node, with the test's own namespace as the node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from secnet.contract import Attachment, Call, Cancelled, HostContext, Timeout
from secnet.linux import sysctl
from secnet.linux.names import LINK_GROUP
from secnet.linux.nodelinks import NodeLinks
from secnet.linux.rtnl import host_rtnl
from secnet_conformance.needs import requires_link_kind
from secnet_conformance.snapshot import HostSnapshot, diff
from secnet_conformance.steps import At, Fault, Recorder, StepPoint, fail, points_around
from secnet_testing.contract_objects import request
from secnet_testing.netns import Namespace, run_in

pytestmark = pytest.mark.kernel

STEPS = ["bridge.create", "bridge.mark", "bridge.silence", "bridge.up"]


@pytest.fixture
def bridges(node_netns: Namespace, tmp_path: Path) -> NodeLinks:
    requires_link_kind("veth", "bridge")
    return NodeLinks(HostContext(node_name="node", run_dir=tmp_path), "lan", "bridge")


class SilentFirst:
    """Whether the link is silent when it goes up."""

    silent = False

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        """Look."""
        if name == "bridge.up":
            self.silent = sysctl.read(f"ipv6/conf/{facts['host']}/disable_ipv6") == "1"

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        """Nothing to note."""


def picture() -> HostSnapshot:
    return HostSnapshot.take(netns_dir=Path("/nonexistent"))


def ip(command: str) -> None:
    run_in(None, ["ip", *command.split()])


def test_the_link_is_made_marked_silent_and_up(bridges: NodeLinks) -> None:
    steps, silent = Recorder(), SilentFirst()
    data = [("IFLA_BR_AGEING_TIME", 1000)]
    assert bridges.ensure("br-mine", Call(observers=(steps, silent)), data=data) == ()
    assert (steps.names, silent.silent) == (STEPS, True)
    with host_rtnl() as kernel:
        link = kernel.link("br-mine")
    assert link is not None
    assert (link.kind, link.alias, link.group, link.up) == ("bridge", "secnet:lan", LINK_GROUP, True)
    assert "ageing_time 1000" in run_in(None, ["ip", "-d", "link", "show", "br-mine"])
    before, again = picture(), Recorder()
    assert bridges.ensure("br-mine", Call(observers=(again,))) == ()
    assert (again.names, diff(before, picture())) == ([], [])


@pytest.mark.parametrize("point", points_around(STEPS), ids=str)
def test_what_died_anywhere_is_finished(bridges: NodeLinks, point: StepPoint) -> None:
    before = picture()
    with pytest.raises(Fault):
        bridges.ensure("br-mine", Call(observers=(At(point, fail),)))
    steps = Recorder()
    assert bridges.ensure("br-mine", Call(observers=(steps,))) == ()
    done = STEPS.index(point.name) + (point.moment == "after")
    assert steps.names == STEPS[done:]
    assert bridges.retire((), Call()) == ()
    assert diff(before, picture()) == []


@pytest.mark.parametrize(
    "foreign",
    [
        "type bridge",
        f"group {LINK_GROUP} type veth peer name other",
        f"group {LINK_GROUP} alias secnet:other type bridge",
    ],
)
def test_a_foreign_link_is_reported_and_stays(bridges: NodeLinks, foreign: str) -> None:
    words = foreign.split()
    alias = words[words.index("alias") + 1] if "alias" in words else ""
    ip(f"link add br-theirs {foreign.replace(f'alias {alias} ', '')}")
    if alias:
        ip(f"link set br-theirs alias {alias}")
    before = picture()
    (finding,) = bridges.ensure("br-theirs", Call())
    assert (finding.code, finding.repairable) == ("ForeignLink", False)
    assert "br-theirs was not made by this driver" in finding.message
    assert bridges.retire((), Call()) == ()
    assert diff(before, picture()) == []


def test_what_is_configured_no_longer_goes_once_it_is_free(bridges: NodeLinks) -> None:
    for name in ("br-old", "br-new"):
        bridges.ensure(name, Call())
    ip("link add port0 master br-old type veth peer name port1")
    (finding,) = bridges.retire(["br-new"], Call())
    assert (finding.code, finding.advisory, "br-old" in finding.message) == ("LinkInUse", True, True)
    ip("link del port0")
    steps = Recorder()
    assert bridges.retire(["br-new"], Call(observers=(steps,))) == ()
    assert steps.names == ["bridge.delete"]
    with host_rtnl() as kernel:
        assert [link.name for link in kernel.links() if link.kind == "bridge"] == ["br-new"]


def test_a_link_that_an_attachment_names_stays_without_ports(bridges: NodeLinks) -> None:
    """Its port may be missing just now, and be made again."""
    bridges.ensure("br-old", Call())
    living = Attachment(request=request(), names={"host": "br0123", "bridge": "br-old"})
    (finding,) = bridges.retire((), Call(attachments=(living,)))
    assert (finding.code, finding.advisory) == ("LinkInUse", True)
    assert bridges.retire((), Call()) == ()


def test_no_link_is_created_for_a_call_that_has_ended(bridges: NodeLinks) -> None:
    before, withdrawn = picture(), Call()
    withdrawn.cancel.set()
    for call, error in ((Call.within(-1), Timeout), (withdrawn, Cancelled)):
        with pytest.raises(error):
            bridges.ensure("br-mine", call)
    assert diff(before, picture()) == []
