"""The SR-IOV types under the conformance kit.

The classes themselves run the groups that need no device. The others run on stand-ins, which are subclasses (see
secnet_testing.veth_card): there is no card here, and on an emulated one in a virtual machine all of it runs anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from secnet.contract import Attachment, DeviceRef
from secnet.linux.rtnl import host_rtnl
from secnet_conformance import Bad, Breakage, DriverCase, Host, Namespace
from secnet_conformance.driver.checks import Checks
from secnet_conformance.driver.faults import Crashes, Faults
from secnet_conformance.driver.foreign import ForeignObjects
from secnet_conformance.driver.life import Life
from secnet_conformance.driver.neighbours import Neighbours
from secnet_conformance.driver.package import Package
from secnet_conformance.driver.parallel import Parallel
from secnet_conformance.driver.readonly import ReadOnly
from secnet_conformance.driver.refusals import Declarations, Refusals
from secnet_conformance.driver.resources import Resources
from secnet_sriov import SriovDriver, SriovSfDriver, SriovVfDriver
from secnet_testing.fake_sysfs import FakeSys
from secnet_testing.ovs import PrivateOvs
from secnet_testing.veth_card import StandInDriver, StandIns, StandInSfDriver, StandInVfDriver

PF = "0000:3b:00.0"
BRIDGE = "br-one"
DEVICES = 8


def standins(host: Host) -> StandIns:
    """The card of this host."""
    made: StandIns = host.kept["standins"]
    return made


def configured(**fields: Any) -> Callable[[Host, Attachment], object]:
    """Somebody tells the physical function something else."""

    def how(host: Host, attachment: Attachment) -> None:
        device = attachment.names["device"]
        data = standins(host).load(device)
        standins(host).save(device, {**data, "vf": {**data["vf"], **fields}})

    return how


def on_port(command: str) -> Callable[[Host, Attachment], object]:
    """A change by ovs-vsctl of the representor's port."""
    return lambda host, attachment: host.kept["switch"].vsctl(
        *command.format(port=attachment.names["representor"]).split()
    )


class SriovCase(DriverCase):
    """What the three share."""

    driver = SriovDriver
    good = ({"vlan": 100, "spoofchk": "on"}, {}, {"bridge": "br-one"})
    bad = (
        Bad({"vlan": 4095}, reason="InvalidConfig"),
        Bad({"vlanQoS": 8}, reason="InvalidConfig"),
        Bad({"vlanProto": "802.1p"}, reason="InvalidConfig"),
        Bad({"spoofchk": True}, reason="InvalidConfig"),
        Bad({"linkState": "up"}, reason="InvalidConfig"),
        Bad({"rate": 1}, reason="InvalidConfig"),
        Bad({"bridge": ""}, reason="InvalidConfig"),
    )
    breakages = (
        Breakage("another VLAN", configured(vlan=5), "WrongVlan"),
        Breakage("spoof check off", configured(spoofchk=False), "WrongAttribute"),
    )


class SriovVfCase(SriovCase):
    driver = SriovVfDriver


class SriovSfCase(DriverCase):
    """What only a physical function can do is no option of it."""

    driver = SriovSfDriver
    good = ({"vlan": 100, "bridge": "br-one"}, {})
    bad = (
        Bad({"vlan": 4095}, reason="InvalidConfig"),
        Bad({"bridge": ""}, reason="InvalidConfig"),
        *(
            Bad({option: value}, reason="InvalidConfig", match=option)
            for option, value in (
                ("vlanQoS", 5),
                ("vlanProto", "802.1ad"),
                ("spoofchk", "on"),
                ("trust", "on"),
                ("linkState", "auto"),
                ("minTxRate", 1),
                ("maxTxRate", 1),
            )
        ),
    )
    breakages = (Breakage("port deleted", on_port("del-port {port}"), "PortMissing"),)


class PackageSuite(Declarations, Package):
    """What needs no device."""


class TestSriov(PackageSuite):
    case = SriovCase


class TestSriovVf(PackageSuite):
    case = SriovVfCase


class TestSriovSf(PackageSuite):
    case = SriovSfCase


class StandInLife(Resources, Checks, Refusals, ForeignObjects, Neighbours, Parallel, Crashes, Faults, Life, ReadOnly):
    """Every group that attaches, save those about the node, of which these types keep no state, and about stalls."""


class StandInCase(DriverCase):
    """A card with eight functions, each in another state than the next."""

    def prepare(self, host: Host) -> None:
        tree = FakeSys(host.folder / "sys")
        tree.pf(PF)
        host.kept["standins"] = StandIns.make(tree.root, host.new_pod())
        for number in range(DEVICES):
            self.add(tree, standins(host), number)

    def add(self, tree: FakeSys, card: StandIns, number: int) -> None:
        """Make one function."""
        raise NotImplementedError

    def context(self, host: Host) -> Mapping[str, Any]:
        return {"sysfs_root": host.folder / "sys", "state_dir": host.folder / "state"}

    def snapshot(self, host: Host) -> Mapping[str, Any]:
        held = (host.folder / "state" / "sriov").glob("*/*/*.json")
        return {"kept": standins(host).kept(), "held": sorted(path.name for path in held)}

    def devices(self, host: Host, count: int) -> Sequence[DeviceRef]:
        return [DeviceRef(id=device) for device in standins(host).devices()[:count]]

    def lose_device(self, host: Host, device: DeviceRef) -> None:
        standins(host).lose(device.id)


class StandInVfCase(StandInCase):
    driver = StandInVfDriver
    good = (
        {"vlan": 100, "spoofchk": "on"},
        {},
        {"vlan": 7, "vlanQoS": 3, "vlanProto": "802.1ad", "spoofchk": "off", "trust": "on", "linkState": "enable"},
        {"minTxRate": 10, "maxTxRate": 100},
    )
    bad = (
        Bad({"bridge": "br-one"}, reason="Unsupported", match="$.bridge"),
        Bad({"minTxRate": 20, "maxTxRate": 10}, reason="InvalidConfig", match="$.minTxRate"),
        Bad({}, reason="InvalidConfig", request={"mtu": 65536}, match="$.mtu"),
        Bad({}, reason="NotReady", request={"device": DeviceRef(id="0000:3b:1f.7")}, match="not on this host"),
        Bad({}, reason="InvalidConfig", request={"device": DeviceRef(id="../../etc")}),
        Bad({}, reason="Unsupported", request={"device": DeviceRef(id=PF)}, match="physical function"),
    )
    breakages = SriovCase.breakages

    def add(self, tree: FakeSys, card: StandIns, number: int) -> None:
        device = f"0000:3b:02.{number}"
        tree.vf(PF, number, device)
        card.add(
            device,
            f"vf{number}",
            mac=f"02:f0:00:00:00:{number:02x}",
            mtu=1500 - 10 * number,
            alias=f"port {number}" if number % 2 else "",
            number=number,
            vlan=number,
            qos=number,
            spoofchk=bool(number % 2),
            trust=bool(number % 3),
        )

    def inside(self, host: Host, pod: Namespace, attachment: Attachment) -> None:
        options, kept = attachment.request.options, standins(host).load(attachment.names["device"])["vf"]
        assert kept.get("vlan", 0) == options.get("vlan", 0)
        for option, field in (("trust", "trust"), ("spoofchk", "spoofchk")):
            if option in options:
                assert kept[field] == (options[option] == "on")
        if "maxTxRate" in options:
            assert (kept["min_tx_rate"], kept["max_tx_rate"]) == (options["minTxRate"], options["maxTxRate"])


class StandInAnyCase(StandInVfCase):
    driver = StandInDriver
    good = ({"vlan": 100, "spoofchk": "on"}, {})
    bad = ()


class StandInSfCase(StandInCase):
    """Subfunctions with representors, the ports of a private Open vSwitch."""

    driver = StandInSfDriver
    node: Mapping[str, Any] = {"bridges": [BRIDGE, "br-soon"]}
    good = ({"vlan": 100, "bridge": BRIDGE}, {})
    bad = (
        Bad({"vlan": 100}, reason="Unsupported", match="$.vlan"),
        Bad({"trust": "on"}, reason="InvalidConfig", match="trust"),
        Bad({"bridge": "br-soon"}, reason="NotReady", match="does not exist yet"),
        Bad({"bridge": "br-int"}, reason="InvalidConfig", match="drivers.sriov-sf.bridges"),
        Bad({}, reason="Unsupported", request={"device": DeviceRef(id=PF)}, match="$.networkType"),
    )
    breakages = (
        Breakage("port deleted", on_port("del-port {port}"), "PortMissing"),
        Breakage("another tag", on_port("set port {port} tag=200"), "WrongVlan"),
    )

    def prepare(self, host: Host) -> None:
        super().prepare(host)
        assert host.namespace is not None
        switch = PrivateOvs(host.namespace, host.folder)
        host.kept["switch"] = switch
        host.at_end(switch.stop)
        switch.start()
        switch.vsctl("add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev")

    def add(self, tree: FakeSys, card: StandIns, number: int) -> None:
        device = f"mlx5_core.sf.{number + 2}"
        tree.sf(PF, device, 88 + number)
        card.add(device, f"sf{number}", mac=f"02:f1:00:00:00:{number:02x}", mtu=1500 - 10 * number)
        with host_rtnl() as kernel, card.card().open() as fd:
            kernel.create_veth(f"rep{number}", f"r{number}", fd, group=0)
        tree.netdev(PF, f"rep{number}", f"pf0sf{88 + number}")

    def context(self, host: Host) -> Mapping[str, Any]:
        return {**super().context(host), "ovsdb": host.kept["switch"].target}

    def snapshot(self, host: Host) -> Mapping[str, Any]:
        return {**super().snapshot(host), **host.kept["switch"].rows()}

    def inside(self, host: Host, pod: Namespace, attachment: Attachment) -> None:
        if "bridge" in attachment.request.options:
            row = host.kept["switch"].rows()["Port"][attachment.names["representor"]]
            assert (row["tag"], row["vlan_mode"]) == (100, "access")


@pytest.mark.kernel
class TestStandInVf(StandInLife):
    case = StandInVfCase


@pytest.mark.kernel
class TestStandInAny(Refusals, Life, ReadOnly):
    """It does what one of the two others does. All of the kit runs over it on emulated cards (tests/vm)."""

    case = StandInAnyCase


@pytest.mark.ovs
class TestStandInSf(StandInLife):
    case = StandInSfCase
