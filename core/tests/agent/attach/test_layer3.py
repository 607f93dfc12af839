"""The layer-3 step on real namespaces."""

import threading

import pytest
from secnet.contract import Attachment, Call, InvalidConfig, Route, Unsupported
from secnet_testing.netns import frames, ping, run_in

from .conftest import LAYER3, Pod, codes

pytestmark = pytest.mark.kernel


def test_both_families_work_at_once_and_check_is_clean(pod: Pod) -> None:
    attachment = pod.attachment("10.0.0.2/24", "fd00::2/64", gateway="10.0.0.1", routes=(Route(dst="10.9.0.0/16"),))
    sysctls = ["WrongSysctl"] * 4
    assert pod.findings(attachment) == ["InterfaceDown", *sysctls, "AddressMissing", "AddressMissing", "RouteMissing"]
    pod.apply(attachment)
    assert pod.findings(attachment) == []
    assert ping(pod.ns, "10.0.0.1")
    assert ping(pod.ns, "fd00::1")
    assert "10.9.0.0/16 via 10.0.0.1" in run_in(pod.ns, ["ip", "route"])
    pod.apply(attachment)
    assert pod.findings(attachment) == []


def test_an_address_may_be_written_in_several_ways(pod: Pod) -> None:
    attachment = pod.attachment("FD00:0:0::0002/64", "::ffff:192.0.2.7/120")
    pod.apply(attachment)
    assert pod.findings(attachment) == []
    run_in(pod.ns, ["ip", "addr", "del", "fd00::2/64", "dev", "eth1"])
    assert pod.findings(attachment) == ["AddressMissing"]


def test_link_up_announces_both_families(pod: Pod) -> None:
    """The host end sees the gratuitous ARP and the unsolicited NA that the kernel sends."""
    with frames(None, "host0") as capture:
        pod.apply(pod.attachment("10.0.0.2/24", "fd00::2/64"))
        capture.wait_for(lambda frame: frame.is_gratuitous_arp and frame.src == pod.mac, within=5)
        capture.wait_for(lambda frame: frame.advertised == "fd00::2" and frame.src == pod.mac, within=5)


@pytest.mark.parametrize(
    "damage",
    ["ip addr del 10.0.0.2/24 dev eth1", "ip link set eth1 down", "ip link del eth1", "ip route del 10.9.0.0/16"],
)
def test_check_sees_damage(pod: Pod, damage: str) -> None:
    attachment = pod.attachment("10.0.0.2/24", gateway="10.0.0.1", routes=(Route(dst="10.9.0.0/16"),))
    pod.apply(attachment)
    run_in(pod.ns, damage.split())
    assert pod.findings(attachment)


def test_an_empty_default_route_means_the_gateways_of_the_lease(pod: Pod) -> None:
    pod.apply(pod.attachment("10.0.0.2/24", gateway="10.0.0.1"), {"default_route": ()})
    assert "default via 10.0.0.1 dev eth1" in run_in(pod.ns, ["ip", "route"])
    with pytest.raises(Unsupported, match="names a gateway"):
        LAYER3.prior(pod.record(pod.attachment("10.0.0.2/24"), {"default_route": ()}))


def test_a_gateway_outside_of_every_network_is_refused_with_the_kernels_words(pod: Pod) -> None:
    with pytest.raises(InvalidConfig, match="gateway"):
        pod.apply(pod.attachment("10.0.0.2/24"), {"default_route": ("192.0.2.1",)})


def test_without_a_lease_the_link_is_just_up(pod: Pod) -> None:
    attachment = Attachment(request=pod.attachment().request)
    pod.apply(attachment)
    assert pod.findings(attachment) == []


def test_a_namespace_that_is_gone_is_a_finding_and_nothing_to_restore(pod: Pod) -> None:
    record = pod.record(pod.attachment("10.0.0.2/24")).replace(layer3={"taken_routes": [], "source_table": 20000})
    run_in(None, ["ip", "netns", "del", pod.ns.name])
    assert codes(record) == ["NetnsGone"]
    LAYER3.restore(record, Call.within(10))


def test_a_late_carrier_is_announced_by_us(pod: Pod) -> None:
    """The kernel announces when the link goes up; with the carrier coming later, that announcement is lost."""
    run_in(None, ["ip", "link", "set", "host0", "down"])
    with frames(None, "host0") as capture:
        timer = threading.Timer(0.3, lambda: run_in(None, ["ip", "link", "set", "host0", "up"]))
        timer.start()
        pod.apply(pod.attachment("10.0.0.2/24"), late=True)
        timer.join()
        capture.wait_for(lambda frame: frame.is_gratuitous_arp and frame.src == pod.mac, within=5)
