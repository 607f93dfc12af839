"""A node with an Open vSwitch, a vlan driver on it, and Pods."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from secnet.contract import Attachment, AttachRequest, Call, HostContext, NetworkRef, PodRef
from secnet_conformance.snapshot import HostSnapshot
from secnet_testing.netns import Namespace, NetnsFactory, run_in
from secnet_testing.ovs import OvsFactory, PrivateOvs
from secnet_vlan import VlanDriver

BRIDGE = "br-secondary"


@dataclass
class Lab:
    """What the tests work with. The test's own thread is in the node's namespace."""

    node: Namespace
    switch: PrivateOvs
    new_netns: NetnsFactory
    folder: Path
    drivers: list[VlanDriver] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def driver(self, *bridges: dict[str, Any], **rest: Any) -> VlanDriver:
        """A driver whose node has these bridges (default: one without uplinks), not yet reconciled."""
        config = {"ovsBridges": list(bridges) or [{"bridgeName": BRIDGE}], "datapathType": "netdev", **rest}
        host = HostContext(
            node_name="node1",
            run_dir=self.folder,
            ovsdb=self.switch.target,
            config=config,
        )
        made = VlanDriver(host)
        self.drivers.append(made)
        return made

    def ready_driver(self, *bridges: dict[str, Any], **rest: Any) -> VlanDriver:
        """A driver whose bridges are made."""
        made = self.driver(*bridges, **rest)
        report = made.reconcile_node(made.host.config, self.call())
        assert report.settled, report.findings
        return made

    def call(self, **rest: Any) -> Call:
        return Call.within(20, **rest)

    def request(self, pod: Namespace, ifname: str = "eth1", **rest: Any) -> AttachRequest:
        fields: dict[str, Any] = {
            "container_id": pod.name,
            "ifname": ifname,
            "pod": PodRef(namespace="default", name=pod.name, uid=f"uid-{pod.name}", node="node1"),
            "network": NetworkRef(namespace="default", name="blue"),
            "network_type": "vlan",
            "netns": pod.ref,
        }
        return AttachRequest(**{**fields, **rest})

    def attach(
        self, driver: VlanDriver, pod: Namespace, vlan: int = 0, ifname: str = "eth1", **rest: Any
    ) -> Attachment:
        """Plan, bind and attach, as the core does."""
        attachment = driver.plan(self.request(pod, ifname, **rest), self.call()).bind(None, vlan)
        driver.attach(attachment, self.call())
        return attachment

    def talker(self, driver: VlanDriver, vlan: int) -> tuple[Namespace, str, Attachment]:
        """A Pod on a VLAN with its interface up, and its address."""
        pod = self.new_netns()
        attachment = self.attach(driver, pod, vlan)
        address = f"10.77.0.{next(self._numbers)}"
        run_in(pod, ["ip", "addr", "add", f"{address}/24", "dev", "eth1"])
        run_in(pod, ["ip", "link", "set", "eth1", "up"])
        return pod, address, attachment

    def snapshot(self, *pods: Namespace) -> HostSnapshot:
        """The node, these Pods and the OVS rows; not /run/netns, where other tests work too."""
        taken = HostSnapshot.take({pod.name: pod.path for pod in pods}, netns_dir=self.folder)
        return taken.with_section("ovs", self.switch.rows())


@pytest.fixture
def lab(node_netns: Namespace, ovs: OvsFactory, netns_factory: NetnsFactory, tmp_path: Path) -> Iterator[Lab]:
    made = Lab(node=node_netns, switch=ovs(node_netns), new_netns=netns_factory, folder=tmp_path)
    try:
        yield made
    finally:
        for driver in made.drivers:
            driver.close()


@pytest.fixture
def until() -> Callable[[Callable[[], object], str], None]:
    """Waits for a condition with a deadline."""

    def wait(condition: Callable[[], object], what: str) -> None:
        limit = Call.within(10)
        while not condition():
            assert limit.remaining() > 0.1, f"never came true: {what}"
            limit.sleep(0.02)

    return wait
