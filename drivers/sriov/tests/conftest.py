"""A node with a card of two virtual functions, and the drivers on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from secnet.contract import Attachment, AttachRequest, AttachResult, Call, DeviceRef, HostContext, NetworkRef
from secnet.linux.rtnl import Link, host_rtnl, pod_rtnl
from secnet_conformance.netns import remove_namespace
from secnet_conformance.steps import Recorder
from secnet_sriov import SriovDriver
from secnet_testing.fake_sysfs import FakeSys
from secnet_testing.netns import Namespace, NetnsFactory
from secnet_testing.veth_card import StandInCard, StandInDriver, StandIns

PF = "0000:3b:00.0"
VF = "0000:3b:02.0"
OTHER_VF = "0000:3b:02.1"
MAC = "02:f0:00:00:00:01"


@dataclass
class Lab:
    """What the tests work with. The test's own thread is in the node's namespace."""

    tree: FakeSys
    card: StandIns
    new_netns: NetnsFactory
    folder: Path
    drivers: list[SriovDriver] = field(default_factory=list)

    def driver(self, cls: type[SriovDriver] = StandInDriver, **fields: Any) -> SriovDriver:
        """A new instance, as a new process has it."""
        usual: dict[str, Any] = {
            "node_name": "node1",
            "run_dir": self.folder / "run",
            "state_dir": self.folder / "state",
            "sysfs_root": self.tree.root,
        }
        made = cls(HostContext(**{**usual, **fields}))
        self.drivers.append(made)
        return made

    def call(self, *observers: Any) -> Call:
        return Call.within(20, observers=observers)

    def request(self, pod: Namespace, options: Mapping[str, Any] | None = None, **rest: Any) -> AttachRequest:
        usual: dict[str, Any] = {
            "container_id": pod.name,
            "ifname": "net1",
            "network": NetworkRef(namespace="default", name="fast"),
            "network_type": "sriov",
            "netns": pod.ref,
            "options": options or {},
            "device": DeviceRef(id=VF),
        }
        return AttachRequest(**{**usual, **rest})

    def plan(
        self, driver: SriovDriver, pod: Namespace, options: Mapping[str, Any] | None = None, **rest: Any
    ) -> Attachment:
        """Plan and bind, as the core does for a network without pools."""
        request = self.request(pod, options, **rest)
        return driver.plan(request, self.call()).bind(None, request.options.get("vlan", 0))

    def attach(
        self, driver: SriovDriver, pod: Namespace, options: Mapping[str, Any] | None = None, **rest: Any
    ) -> tuple[Attachment, AttachResult, list[str]]:
        """Plan and attach; also the names of the steps."""
        attachment, steps = self.plan(driver, pod, options, **rest), Recorder()
        return attachment, driver.attach(attachment, self.call(steps)), list(steps.names)

    def end(self, pod: Namespace, device: str = VF) -> None:
        """End a Pod's namespace, and wait until the device is back on the host: the kernel takes its time."""
        remove_namespace(pod)
        waiting = self.call()
        with host_rtnl() as kernel:
            while StandInCard(self.tree.root).netdev(kernel, device) is None:
                waiting.sleep(0.02)

    def kept(self, device: str = VF) -> dict[str, Any]:
        """What the physical function keeps for a device."""
        found: dict[str, Any] = self.card.load(device)["vf"]
        return found

    def host_link(self, name: str = "vf0") -> Link | None:
        with host_rtnl() as kernel:
            return kernel.link(name)

    def pod_link(self, pod: Namespace, name: str = "net1") -> Link | None:
        with pod_rtnl(pod.ref) as (_, inside):
            return inside.link(name)


@pytest.fixture
def lab(node_netns: Namespace, netns_factory: NetnsFactory, tmp_path: Path) -> Iterator[Lab]:
    tree = FakeSys(tmp_path / "sys")
    tree.pf(PF)
    card = StandIns.make(tree.root, netns_factory())
    for number, device in enumerate((VF, OTHER_VF)):
        tree.vf(PF, number, device)
        mac = f"02:f0:00:00:00:{number + 1:02x}"
        card.add(
            device,
            f"vf{number}",
            mac=mac,
            mtu=1450,
            alias="port",
            number=number,
            vlan=7,
            qos=2,
            spoofchk=True,
            trust=False,
        )
    made = Lab(tree=tree, card=card, new_netns=netns_factory, folder=tmp_path)
    try:
        yield made
    finally:
        for driver in made.drivers:
            driver.close()
