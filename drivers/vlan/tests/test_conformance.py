"""The vlan driver under the conformance kit, on a private Open vSwitch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from secnet.contract import Attachment
from secnet_conformance import Bad, Breakage, DriverCase, DriverSuite, Foreign, Host, Namespace, Stall
from secnet_testing.ovs import PrivateOvs
from secnet_vlan import VlanDriver

pytestmark = pytest.mark.ovs


def switch_of(host: Host) -> PrivateOvs:
    """The Open vSwitch that the case made on this host."""
    switch: PrivateOvs = host.kept["switch"]
    return switch


def on_port(command: str) -> Callable[[Host, Attachment], object]:
    """A change by ovs-vsctl; `{port}` is the attachment's port."""
    return lambda host, attachment: switch_of(host).vsctl(*command.format(port=attachment.names["host"]).split())


def foreign_port(host: Host, attachment: Attachment) -> None:
    """A port of somebody else. It has no link, which ovs-vswitchd notes on its row a moment later: that too is the picture."""
    switch, port = switch_of(host), attachment.names["host"]
    switch.vsctl("--no-wait", "add-port", "br-one", port)
    switch.vsctl("wait-until", "interface", port, "error!=[]")


def on_node(command: str) -> Callable[[Host, Attachment], object]:
    """A change by a command on the node; `{link}` is the host's end of the pair."""
    return lambda host, attachment: host.run(command.format(link=attachment.names["host"]))


def paused(pause: str, resume: str) -> Callable[[Host], AbstractContextManager[object]]:
    """Stop a daemon without ending it."""

    @contextmanager
    def stall(host: Host) -> Iterator[None]:
        getattr(switch_of(host), pause)()
        try:
            yield
        finally:
            getattr(switch_of(host), resume)()

    return stall


class VlanCase(DriverCase):
    """Two bridges, the second with an uplink."""

    driver = VlanDriver
    good = ({"vlan": 100}, {}, {"vlan": 0}, {"vlan": 200, "bridge": "br-two"})
    node: Mapping[str, Any] = {
        "datapathType": "netdev",
        "ovsBridges": [
            {"bridgeName": "br-one"},
            {"bridgeName": "br-two", "physicalInterfaces": ["up0"]},
        ],
    }
    other_node: Mapping[str, Any] = {
        "datapathType": "netdev",
        "ovsBridges": [
            {"bridgeName": "br-one", "physicalInterfaces": ["up0"], "enableMulticastSnooping": True},
            {"bridgeName": "br-new"},
        ],
    }
    bad = (
        Bad({"vlan": 4095}, reason="InvalidConfig", match="$.vlan"),
        Bad({"vlan": -1}, reason="InvalidConfig", match="$.vlan"),
        Bad({"vlan": "100"}, reason="InvalidConfig", match="without quotes"),
        Bad({"vlam": 100}, reason="InvalidConfig", match="vlan"),
        Bad({"bridge": "br-int"}, reason="InvalidConfig", match="br-one"),
        Bad({"bridge": "br-two"}, reason="InvalidConfig", request={"mtu": 1501}, match="$.mtu"),
    )
    breakages = (
        Breakage("port deleted", on_port("del-port {port}"), "PortMissing"),
        Breakage("another tag", on_port("set port {port} tag=200"), "WrongVlan"),
        Breakage("no tag", on_port("clear port {port} tag"), "WrongVlan"),
        Breakage("no longer an access port", on_port("clear port {port} vlan_mode"), "WrongVlan"),
        Breakage("trunks", on_port("set port {port} trunks=5"), "WrongVlan"),
        Breakage("host link down", on_node("ip link set {link} down"), "HostLinkDown"),
        Breakage("host link deleted", on_node("ip link del {link}"), "HostLinkMissing"),
        Breakage("MTU of the host link", on_node("ip link set {link} mtu 1300"), "WrongMtu"),
    )
    stalls = (
        Stall("ovsdb-server hangs", paused("pause_server", "resume_server")),
        Stall("ovs-vswitchd hangs", paused("pause_switch", "resume_switch")),
    )
    foreign = (Foreign("OVS port", foreign_port),)
    golden = Path(__file__).with_name("golden")

    def prepare(self, host: Host) -> None:
        assert host.namespace is not None
        switch = PrivateOvs(host.namespace, host.folder)
        host.kept["switch"] = switch
        host.at_end(switch.stop)
        switch.start()
        host.run("ip link add up0 type veth peer name wire0")

    def context(self, host: Host) -> Mapping[str, Any]:
        return {"ovsdb": switch_of(host).target}

    def snapshot(self, host: Host) -> Mapping[str, Any]:
        return switch_of(host).rows()

    def inside(self, host: Host, pod: Namespace, attachment: Attachment) -> None:
        row = switch_of(host).rows()["Port"][attachment.names["host"]]
        assert (row["tag"], row["vlan_mode"]) == (attachment.request.options.get("vlan", 0), "access")


class TestVlan(DriverSuite):
    case = VlanCase
