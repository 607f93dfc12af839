"""The driver of docs/a-driver-in-30-lines.md runs on a real kernel and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from secnet.agent.plugins.fragments import driver_faults
from secnet.contract import AttachRequest, Call, Conflict, HostContext, NetworkRef, PodRef
from secnet.linux.rtnl import host_rtnl, netns_rtnl
from secnet_conformance.needs import requires_link_kind
from secnet_conformance.snapshot import HostSnapshot, diff
from secnet_testing.netns import Namespace, NetnsFactory

PAGE = "docs/a-driver-in-30-lines.md"


@pytest.fixture(scope="module")
def wire_driver(page: Any) -> Any:
    """The class on the page, as it stands there."""
    (code,) = [
        block.text for block in page(PAGE).blocks if block.language == "python" and "(NetworkDriver)" in block.text
    ]
    names: dict[str, Any] = {}
    exec(compile(code, PAGE, "exec"), names)
    assert len(code[code.index("class ") :].splitlines()) <= 30
    return names["WireDriver"]


def test_the_driver_describes_itself_as_the_registry_wants_it(wire_driver: Any) -> None:
    assert list(driver_faults(wire_driver.describe())) == []
    assert wire_driver.describe().network_type == "wire"


@pytest.mark.kernel
def test_the_driver_attaches_checks_and_detaches(
    wire_driver: Any, node_netns: Namespace, netns_factory: NetnsFactory, tmp_path: Path
) -> None:
    requires_link_kind("veth")
    pod = netns_factory()
    driver = wire_driver(HostContext(node_name="node", run_dir=tmp_path))
    request = AttachRequest(
        container_id="c" * 64,
        ifname="eth1",
        pod=PodRef(namespace="default", name="web", uid="u1"),
        network=NetworkRef(namespace="default", name="wire"),
        network_type="wire",
        netns=pod.ref,
        mac="02:00:00:00:00:07",
        mtu=1400,
    )
    baseline = HostSnapshot.take(netns_dir=tmp_path)
    call = Call()
    plan = driver.plan(request, call)
    assert diff(baseline, HostSnapshot.take(netns_dir=tmp_path)) == []
    driver.detach(plan, call)  # before anything was made
    result = driver.attach(plan, call)
    assert driver.attach(plan, call) == result
    with pod.open() as fd, netns_rtnl(fd) as kernel:
        link = kernel.link("eth1")
    assert link is not None
    assert (link.mac, link.mtu, link.up) == ("02:00:00:00:00:07", 1400, False)
    assert driver.check(plan, call).clean
    assert [(item.attachment.key, item.complete) for item in driver.inventory(call).owned] == [(plan.key, True)]
    driver.detach(plan, call)
    driver.detach(plan, call)
    assert driver.inventory(call).owned == ()
    assert not driver.check(plan, call).clean
    assert diff(baseline, HostSnapshot.take(netns_dir=tmp_path)) == []
    driver.close()


@pytest.mark.kernel
def test_the_driver_leaves_a_foreign_link_alone(
    wire_driver: Any, node_netns: Namespace, netns_factory: NetnsFactory, tmp_path: Path
) -> None:
    requires_link_kind("veth")
    pod = netns_factory()
    driver = wire_driver(HostContext(node_name="node", run_dir=tmp_path))
    request = AttachRequest(
        container_id="c" * 64,
        ifname="eth1",
        network=NetworkRef(namespace="default", name="wire"),
        network_type="wire",
        netns=pod.ref,
    )
    plan = driver.plan(request, Call())
    with host_rtnl() as kernel, pod.open() as fd:
        foreign = kernel.create_veth(plan.names["host"], "other", fd, group=0)
    with pytest.raises(Conflict):
        driver.attach(plan, Call())
    driver.detach(plan, Call())
    with host_rtnl() as kernel:
        assert kernel.link_by_index(foreign.index) is not None
