"""The layer-3 step on real namespaces."""

import threading
from dataclasses import dataclass

import pytest
from secnet.agent.attach.layer3 import Layer3
from secnet.contract import (
    Attachment,
    AttachRequest,
    AttachResult,
    Call,
    Conflict,
    InvalidConfig,
    IpamLease,
    IpamOwner,
    LeaseAddress,
    NetworkRef,
    Route,
    Unsupported,
)
from secnet.linux.rtnl import host_rtnl, netns_rtnl
from secnet_testing.netns import Namespace, NetnsFactory, frames, ping, run_in

pytestmark = pytest.mark.kernel

LAYER3 = Layer3()


@dataclass(frozen=True, kw_only=True)
class _Pod:
    """A Pod whose eth1 is wired to `host0` of the node, down and without addresses, as a driver leaves it."""

    ns: Namespace
    mac: str = "02:00:00:00:00:01"

    def attachment(self, *addresses: str, gateway: str | None = None, routes: tuple[Route, ...] = ()) -> Attachment:
        request = AttachRequest(
            container_id="c1",
            ifname="eth1",
            network=NetworkRef(namespace="default", name="blue"),
            network_type="toy",
            netns=self.ns.ref,
        )
        lease = IpamLease(
            owner=IpamOwner(container_id="c1", ifname="eth1"),
            addresses=tuple(
                LeaseAddress(address=address, gateway=gateway if (":" in address) == (":" in (gateway or "")) else None)
                for address in addresses
            ),
            routes=routes,
        )
        return Attachment(request=request, lease=lease)

    def apply(
        self, attachment: Attachment, attachment_options: dict[str, object] | None = None, *, late: bool = False
    ) -> dict[str, object]:
        prior = LAYER3.prior(attachment, attachment_options or {})
        result = AttachResult(mac=self.mac, mtu=1500, late_carrier=late)
        LAYER3.apply(attachment, result, attachment_options or {}, Call.within(10))
        return prior

    def findings(self, attachment: Attachment, attachment_options: dict[str, object] | None = None) -> list[str]:
        return [finding.code for finding in LAYER3.check(attachment, attachment_options or {}, Call.within(10))]


@pytest.fixture
def pod(node_netns: Namespace, netns_factory: NetnsFactory) -> _Pod:
    pod = _Pod(ns=netns_factory())
    with pod.ns.open() as fd, host_rtnl() as host:
        veth = host.create_veth("host0", "eth1", fd, pod.mac, 1500)
        host.set_link(veth.index, up=True)
        host.add_address(veth.index, "10.0.0.1/24")
        host.add_address(veth.index, "fd00::1/64")
    return pod


def test_both_families_work_at_once_and_check_is_clean(pod: _Pod) -> None:
    attachment = pod.attachment("10.0.0.2/24", "fd00::2/64", gateway="10.0.0.1", routes=(Route(dst="10.9.0.0/16"),))
    assert pod.findings(attachment) == ["InterfaceDown", "AddressMissing", "AddressMissing", "RouteMissing"]
    pod.apply(attachment)
    assert pod.findings(attachment) == []
    assert ping(pod.ns, "10.0.0.1")
    assert ping(pod.ns, "fd00::1")
    assert "10.9.0.0/16 via 10.0.0.1" in run_in(pod.ns, ["ip", "route"])
    pod.apply(attachment)
    assert pod.findings(attachment) == []


def test_an_address_may_be_written_in_several_ways(pod: _Pod) -> None:
    attachment = pod.attachment("FD00:0:0::0002/64", "::ffff:192.0.2.7/120")
    pod.apply(attachment)
    assert pod.findings(attachment) == []
    run_in(pod.ns, ["ip", "addr", "del", "fd00::2/64", "dev", "eth1"])
    assert pod.findings(attachment) == ["AddressMissing"]


def test_link_up_announces_both_families(pod: _Pod) -> None:
    """The host end sees the gratuitous ARP and the unsolicited NA that the kernel sends."""
    with frames(None, "host0") as capture:
        pod.apply(pod.attachment("10.0.0.2/24", "fd00::2/64"))
        capture.wait_for(lambda frame: frame.is_gratuitous_arp and frame.src == pod.mac, within=5)
        capture.wait_for(lambda frame: frame.advertised == "fd00::2" and frame.src == pod.mac, within=5)


@pytest.mark.parametrize(
    "damage",
    ["ip addr del 10.0.0.2/24 dev eth1", "ip link set eth1 down", "ip link del eth1", "ip route del 10.9.0.0/16"],
)
def test_check_sees_damage(pod: _Pod, damage: str) -> None:
    attachment = pod.attachment("10.0.0.2/24", gateway="10.0.0.1", routes=(Route(dst="10.9.0.0/16"),))
    pod.apply(attachment)
    run_in(pod.ns, damage.split())
    assert pod.findings(attachment)


def test_the_default_route_of_eth0_is_taken_and_restored(pod: _Pod) -> None:
    with pod.ns.open() as fd, host_rtnl() as host, netns_rtnl(fd) as inside:
        eth0 = host.create_veth("host1", "eth0", fd)
        host.set_link(eth0.index, up=True)
        link = inside.link("eth0")
        assert link is not None
        inside.add_address(link.index, "172.20.0.2/24")
        inside.add_address(link.index, "fd20::2/64")
        inside.set_link(link.index, up=True)
        inside.add_route(link.index, "0.0.0.0/0", gw="172.20.0.1", priority=7)
        inside.add_route(link.index, "::/0", gw="fd20::1")
    before = run_in(pod.ns, ["ip", "route", "show", "default"])
    before6 = run_in(pod.ns, ["ip", "-6", "route", "show", "default"])
    attachment_options = {"default_route": ("10.0.0.1",)}
    attachment = pod.attachment("10.0.0.2/24")
    prior = pod.apply(attachment, attachment_options)
    assert run_in(pod.ns, ["ip", "route", "show", "default"]).split()[:5] == [
        "default",
        "via",
        "10.0.0.1",
        "dev",
        "eth1",
    ]
    assert run_in(pod.ns, ["ip", "-6", "route", "show", "default"]) == before6
    assert pod.findings(attachment, attachment_options) == []
    run_in(pod.ns, ["ip", "link", "del", "eth1"])
    for _ in range(2):
        LAYER3.restore(attachment, prior, Call.within(10))
    assert run_in(pod.ns, ["ip", "route", "show", "default"]) == before


def test_an_empty_default_route_means_the_gateways_of_the_lease(pod: _Pod) -> None:
    pod.apply(pod.attachment("10.0.0.2/24", gateway="10.0.0.1"), {"default_route": ()})
    assert "default via 10.0.0.1 dev eth1" in run_in(pod.ns, ["ip", "route"])
    with pytest.raises(Unsupported, match="names a gateway"):
        LAYER3.prior(pod.attachment("10.0.0.2/24"), {"default_route": ()})


def test_a_gateway_outside_of_every_network_is_refused_with_the_kernels_words(pod: _Pod) -> None:
    with pytest.raises(InvalidConfig, match="gateway"):
        pod.apply(pod.attachment("10.0.0.2/24"), {"default_route": ("192.0.2.1",)})


def test_a_route_of_another_interface_is_not_stolen(pod: _Pod) -> None:
    with pod.ns.open() as fd, netns_rtnl(fd) as inside:
        lo = inside.link("lo")
        assert lo is not None
        inside.add_route(lo.index, "10.9.0.0/16")
    with pytest.raises(Conflict):
        pod.apply(pod.attachment("10.0.0.2/24", gateway="10.0.0.1", routes=(Route(dst="10.9.0.0/16", scope=253),)))


def test_without_a_lease_the_link_is_just_up(pod: _Pod) -> None:
    attachment = Attachment(request=pod.attachment().request)
    pod.apply(attachment)
    assert pod.findings(attachment) == []


def test_a_namespace_that_is_gone_is_a_finding_and_nothing_to_restore(pod: _Pod) -> None:
    attachment = pod.attachment("10.0.0.2/24")
    run_in(None, ["ip", "netns", "del", pod.ns.name])
    assert pod.findings(attachment) == ["NetnsGone"]
    prior = {"default_routes": [{"ifname": "eth0", "route": {"family": 4, "dst": "0.0.0.0/0", "index": 1}}]}
    LAYER3.restore(attachment, prior, Call.within(10))


def test_a_late_carrier_is_announced_by_us(pod: _Pod) -> None:
    """The kernel announces when the link goes up; with the carrier coming later, that announcement is lost."""
    run_in(None, ["ip", "link", "set", "host0", "down"])
    with frames(None, "host0") as capture:
        timer = threading.Timer(0.3, lambda: run_in(None, ["ip", "link", "set", "host0", "up"]))
        timer.start()
        pod.apply(pod.attachment("10.0.0.2/24"), late=True)
        timer.join()
        capture.wait_for(lambda frame: frame.is_gratuitous_arp and frame.src == pod.mac, within=5)
