"""The SR-IOV types under the conformance kit on emulated cards: virtual functions, and subfunctions of fakesf.

What a case makes for each function differs from the next, so that one given back as another shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, ClassVar

from secnet.contract import Attachment, DeviceRef
from secnet.linux.rtnl import Rtnl, VirtualFunction, host_rtnl
from secnet_conformance import Bad, Breakage, DriverCase, Host, Namespace
from secnet_conformance.driver.checks import Checks
from secnet_conformance.driver.faults import Crashes, Faults
from secnet_conformance.driver.foreign import ForeignObjects
from secnet_conformance.driver.life import Life
from secnet_conformance.driver.neighbours import Neighbours
from secnet_conformance.driver.parallel import Parallel
from secnet_conformance.driver.readonly import ReadOnly
from secnet_conformance.driver.refusals import Refusals
from secnet_conformance.driver.resources import Resources
from secnet_sriov import SriovDriver, SriovSfDriver, SriovVfDriver

from ..ovs import PrivateOvs
from .guestnode import NODE, wait_for_switch
from .nic import PhysicalFunction, load, netdevs
from .sf import Subfunctions, subfunctions_of

__all__ = ["AllGroups", "AnyCase", "SfCase", "VfCase"]

BRIDGE = "br-one"
VFS = 4
SFS = 8
FIRST = 88
CARDS = (PhysicalFunction(number=1), PhysicalFunction(number=2))


def set_on_card(*words: str) -> Callable[[Host, Attachment], object]:
    """Somebody tells the physical function something else."""

    def how(host: Host, attachment: Attachment) -> None:
        card, number = _place(attachment.names["device"])
        card.set_vf(number, *words)

    return how


def on_port(command: str) -> Callable[[Host, Attachment], object]:
    """A change by ovs-vsctl of the representor's port."""
    return lambda host, attachment: host.kept["switch"].vsctl(
        *command.format(port=attachment.names["representor"]).split()
    )


def _place(device: str) -> tuple[PhysicalFunction, int]:
    return next((card, number) for card in CARDS for number in range(VFS) if card.vf(number) == device)


def _index(kernel: Rtnl, card: PhysicalFunction) -> int:
    link = kernel.link(card.ifname)
    assert link is not None
    return link.index


def _kept(device: str) -> VirtualFunction:
    card, number = _place(device)
    with host_rtnl() as kernel:
        return kernel.virtual_function(_index(kernel, card), number)


def _remove(card: Subfunctions, number: int) -> None:
    """A test may have lost it already."""
    with suppress(AssertionError):
        card.remove(number)


def make_subfunctions(host: Host, count: int) -> None:
    """Of the first card. `numbers` says which device has which number."""
    stack = ExitStack()
    host.at_end(stack.close)
    made = host.kept["card"] = stack.enter_context(subfunctions_of(CARDS[0].address))
    host.kept["numbers"] = {}
    for number in range(FIRST, FIRST + count):
        device = made.add(number, f"02:f1:00:00:00:{number:02x}").device
        stack.callback(_remove, made, number)
        host.kept["numbers"][device] = number


class GuestCase(DriverCase):
    """What the cases share."""

    node_netns = NODE

    def context(self, host: Host) -> Mapping[str, Any]:
        return {"state_dir": host.folder / "state"}

    def snapshot(self, host: Host) -> Mapping[str, Any]:
        held = (host.folder / "state" / "sriov").glob("*/*/*.json")
        return {"held": sorted(path.name for path in held)}


class VfCase(GuestCase):
    """Two cards with four functions each."""

    driver: ClassVar[type[SriovDriver]] = SriovVfDriver
    # All that the card can do at once, so that each of its steps is failed and killed once: a guest is slow. With less, or
    # nothing, the stand-ins are tried (drivers/sriov/tests), and whole agents in test_sriov_vf.py. With trust on, another MAC
    # would be no breakage.
    good = ({"vlan": 100, "vlanQoS": 3, "spoofchk": "on", "trust": "off", "maxTxRate": 100},)
    bad: ClassVar[tuple[Bad, ...]] = (
        Bad({"bridge": "br-one"}, reason="Unsupported", match="$.bridge"),
        Bad({"minTxRate": 20, "maxTxRate": 10}, reason="InvalidConfig", match="$.minTxRate"),
        Bad({}, reason="InvalidConfig", request={"mtu": 65536}, match="$.mtu"),
        Bad({}, reason="NotReady", request={"device": DeviceRef(id="0000:3b:1f.7")}, match="not on this host"),
        Bad({}, reason="Unsupported", request={"device": DeviceRef(id=CARDS[0].address)}, match="physical function"),
    )
    breakages: ClassVar[tuple[Breakage, ...]] = (
        Breakage("another VLAN", set_on_card("vlan", "5"), "WrongVlan"),
        Breakage("spoof check off", set_on_card("spoofchk", "off"), "WrongAttribute"),
    )

    def prepare(self, host: Host) -> None:
        load("igb", "igbvf")
        lines = []
        for card in CARDS:
            card.up()
            for number, device in enumerate(card.make(VFS)):
                vf, (link,) = f"link set {card.ifname} vf {number}", netdevs(device)
                lines += [f"{vf} vlan {number} qos {number}", f"{vf} spoofchk {'on' if number % 2 else 'off'}"]
                lines += [f"{vf} trust {'off' if number % 3 else 'on'}"]
                lines += [f"link set {link} mtu {1500 - 10 * number}"]
            host.at_end(card.remove)
        batch = host.folder / "batch"
        batch.write_text("".join(f"{line}\n" for line in lines))
        host.run(f"ip -batch {batch}")

    def snapshot(self, host: Host) -> Mapping[str, Any]:
        with host_rtnl() as kernel:
            kept = {card.address: [str(vf) for vf in self._functions(kernel, card)] for card in CARDS}
        return {**super().snapshot(host), "kept": kept}

    def _functions(self, kernel: Rtnl, card: PhysicalFunction) -> Iterator[VirtualFunction]:
        index = _index(kernel, card)
        for number in range(len(list(Path("/sys/bus/pci/devices", card.address).glob("virtfn*")))):
            yield kernel.virtual_function(index, number)

    def devices(self, host: Host, count: int) -> Sequence[DeviceRef]:
        return [DeviceRef(id=card.vf(number)) for number in range(VFS) for card in CARDS][:count]

    def lose_device(self, host: Host, device: DeviceRef) -> None:
        _place(device.id)[0].remove()

    def inside(self, host: Host, pod: Namespace, attachment: Attachment) -> None:
        options, kept = attachment.request.options, _kept(attachment.names["device"])
        assert (kept.vlan, kept.qos) == (options.get("vlan", 0), options.get("vlanQoS", 0))
        for option, value in (("trust", kept.trust), ("spoofchk", kept.spoofchk)):
            assert options.get(option) in (None, "on" if value else "off")
        assert options.get("maxTxRate", 0) == kept.max_tx_rate


class SfCase(GuestCase):
    """Subfunctions of the first card, with representors: ports of Open vSwitch on the kernel's datapath."""

    driver = SriovSfDriver
    node: ClassVar[Mapping[str, Any]] = {"bridges": [BRIDGE, "br-soon"]}
    good = ({"vlan": 100, "bridge": BRIDGE},)  # without a bridge: see VfCase
    bad = (
        Bad({"vlan": 100}, reason="Unsupported", match="$.vlan"),
        Bad({"trust": "on"}, reason="InvalidConfig", match="trust"),
        Bad({"bridge": "br-soon"}, reason="NotReady", match="does not exist yet"),
        Bad({"bridge": "br-int"}, reason="InvalidConfig", match="drivers.sriov-sf.bridges"),
        Bad({}, reason="Unsupported", request={"device": DeviceRef(id=CARDS[0].address)}, match="$.networkType"),
    )
    breakages = (
        Breakage("port deleted", on_port("del-port {port}"), "PortMissing"),
        Breakage("another tag", on_port("set port {port} tag=200"), "WrongVlan"),
    )

    def prepare(self, host: Host) -> None:
        load("openvswitch")
        assert host.namespace is not None
        make_subfunctions(host, SFS)
        switch = PrivateOvs(host.namespace, host.folder, kernel_datapath=True)
        host.kept["switch"] = switch
        host.at_end(switch.stop)
        wait_for_switch()
        switch.start()
        switch.vsctl("add-br", BRIDGE)

    def context(self, host: Host) -> Mapping[str, Any]:
        return {**super().context(host), "ovsdb": host.kept["switch"].target}

    def snapshot(self, host: Host) -> Mapping[str, Any]:
        return {**super().snapshot(host), **host.kept["switch"].rows()}

    def devices(self, host: Host, count: int) -> Sequence[DeviceRef]:
        return [DeviceRef(id=device) for device in host.kept["numbers"]][:count]

    def lose_device(self, host: Host, device: DeviceRef) -> None:
        _remove(host.kept["card"], host.kept["numbers"][device.id])

    def inside(self, host: Host, pod: Namespace, attachment: Attachment) -> None:
        if "bridge" in attachment.request.options:
            row = host.kept["switch"].rows()["Port"][attachment.names["representor"]]
            assert (row["tag"], row["vlan_mode"]) == (100, "access")


class AnyCase(VfCase):
    """Functions of the second card and subfunctions of the first, in turn: the type finds out which it was given."""

    driver = SriovDriver
    good = ({},)  # what both can do
    breakages = VfCase.breakages[:1]  # without options only a VLAN is one
    bad = (
        Bad({"bridge": BRIDGE}, reason="Unsupported", match="$.bridge"),
        Bad({}, reason="Unsupported", request={"device": DeviceRef(id=CARDS[0].address)}, match="physical function"),
    )

    def prepare(self, host: Host) -> None:
        super().prepare(host)
        make_subfunctions(host, 2)

    def devices(self, host: Host, count: int) -> Sequence[DeviceRef]:
        functions = [CARDS[1].vf(number) for number in (1, 2)]  # those without trust, see VfCase
        pairs = zip(functions, host.kept["numbers"], strict=True)
        rest = [CARDS[1].vf(number) for number in (0, 3)] + [CARDS[0].vf(number) for number in range(VFS)]
        return [DeviceRef(id=device) for device in [*(one for pair in pairs for one in pair), *rest]][:count]

    def lose_device(self, host: Host, device: DeviceRef) -> None:
        if device.id in host.kept["numbers"]:
            _remove(host.kept["card"], host.kept["numbers"][device.id])
        else:
            super().lose_device(host, device)

    def inside(self, host: Host, pod: Namespace, attachment: Attachment) -> None:
        if attachment.names["device"] not in host.kept["numbers"]:
            super().inside(host, pod, attachment)


class AllGroups(Resources, Checks, Refusals, ForeignObjects, Neighbours, Parallel, Crashes, Faults, Life, ReadOnly):
    """Every group that attaches, save those about the node, of which these types keep no state, and about stalls."""
