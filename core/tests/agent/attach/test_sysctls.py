"""What is set on the Pod's interface, and what routers on the network can do to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.attach._sysctls import set_sysctls
from secnet.contract import Call
from secnet.linux import sysctl
from secnet.linux.rtnl import netns_rtnl
from secnet_conformance.netns import inside
from secnet_testing.netns import frames, ping, run_in
from secnet_testing.router import advertise

from .conftest import LAYER3, Pod, applied, codes

pytestmark = pytest.mark.kernel


class Steps:
    """The names of the steps that were done."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        pass

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        self.seen.add(name)


@pytest.fixture
def learn(pod: Pod) -> Callable[[], str]:
    """Has a router advertise; what the Pod's eth1 made of it, once a second one shows that the first is dealt with."""
    run_in(None, ["ip", "addr", "add", "fe80::1/64", "dev", "host0", "nodad"])

    def learn_from_router() -> str:
        pod.wait_running()
        for _ in range(2):
            with frames(pod.ns, "eth1") as capture:
                advertise("host0")
                capture.wait_for(lambda frame: not frame.outgoing and frame.is_router_advertisement)
        return pod.ip("-6 -o addr show dev eth1 scope global") + pod.ip("-6 route show dev eth1")

    return learn_from_router


@pytest.mark.parametrize("addresses", [(), ("10.0.0.2/24",), ("fd00::2/64",)], ids=["none", "IPv4", "IPv6"])
def test_a_router_gives_the_interface_nothing(pod: Pod, learn: Callable[[], str], addresses: tuple[str, ...]) -> None:
    record = pod.apply(pod.attachment(*addresses))
    found = learn()
    assert "2001:db8:bad" not in found
    assert "default" not in found
    assert codes(record) == []


def test_with_accept_ra_it_does(pod: Pod, learn: Callable[[], str]) -> None:
    """Also where the Pod forwards, for which the kernel wants to be asked twice; and this is no drift."""
    inside(pod.ns, lambda: sysctl.write("ipv6/conf/all/forwarding", "1"))
    record = applied(pod.record(pod.attachment("fd00::2/64"), accept_ra=True))
    found = learn()
    assert "2001:db8:bad" in found
    assert "default via fe80::1" in found
    assert codes(record) == []
    applied(record)
    assert "2001:db8:bad" in pod.ip("-6 -o addr show dev eth1")


def test_what_was_advertised_before_is_removed_by_a_repair(pod: Pod, learn: Callable[[], str]) -> None:
    """As on a Pod that lived when the agent was upgraded, or whose sysctl was changed."""
    record = pod.apply(pod.attachment("fd00::2/64"))
    inside(pod.ns, lambda: sysctl.write_all({f"ipv6/conf/eth1/{key}": "1" for key in ("accept_ra", "autoconf")}))
    assert "2001:db8:bad" in learn()
    (first, second) = LAYER3.check(record, Call.within(10))
    assert (first.code, first.message) == ("WrongSysctl", "ipv6/conf/eth1/accept_ra is 1 instead of 0")
    assert (first.repairable, first.in_pod, second.code) == (True, True, "WrongSysctl")
    steps = Steps()
    LAYER3.apply(record, Call(observers=(steps,)))
    assert {"address.delete", "route.delete"} <= steps.seen
    found = pod.ip("-6 -o addr show dev eth1 scope global") + pod.ip("-6 route show dev eth1")
    assert "2001:db8:bad" not in found
    assert "default" not in found
    assert "fd00::2/64" in found
    assert codes(record) == []


@pytest.mark.parametrize(("key", "value"), [("arp_ignore", "0"), ("arp_announce", "0")])
def test_an_arp_setting_that_was_changed_is_drift(pod: Pod, key: str, value: str) -> None:
    record = pod.apply(pod.attachment("10.0.0.2/24"))
    inside(pod.ns, lambda: sysctl.write(f"ipv4/conf/eth1/{key}", value))
    assert codes(record) == ["WrongSysctl"]
    applied(record)
    assert codes(record) == []


def test_a_kernel_without_ipv6(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proc tree of our own, because this kernel has IPv6."""
    keys = ("arp_ignore", "arp_announce", "arp_notify")
    folder = tmp_path / "sys/net/ipv4/conf/eth1"
    folder.mkdir(parents=True)
    for key in keys:
        (folder / key).write_text("0")
    read, write = sysctl.read, sysctl.write
    monkeypatch.setattr(sysctl, "read", lambda key: read(key, proc_root=tmp_path))
    monkeypatch.setattr(sysctl, "write", lambda key, value: write(key, value, proc_root=tmp_path))
    set_sysctls("eth1", ["10.0.0.2/24"], accept_ra=False)
    assert [(folder / key).read_text() for key in keys] == ["1", "2", "1"]


def test_ipv6_that_is_switched_off_in_the_pod(pod: Pod, learn: Callable[[], str]) -> None:
    inside(pod.ns, lambda: sysctl.write("ipv6/conf/all/disable_ipv6", "1"))
    record = pod.apply(pod.attachment("10.0.0.2/24"))
    assert codes(record) == []
    inside(pod.ns, lambda: sysctl.write("ipv6/conf/all/disable_ipv6", "0"))
    assert "2001:db8:bad" not in learn()


@pytest.mark.parametrize("accept_ra", [False, True])
def test_routers_are_asked_only_where_they_are_accepted(pod: Pod, accept_ra: bool) -> None:
    """The kernel asks when its link-local address is valid: the settings have to stand before the link is up."""
    with frames(None, "host0") as capture:
        applied(pod.record(pod.attachment("fd00::2/64"), accept_ra=accept_ra))
        capture.wait_for(lambda frame: frame.advertised == "fe80::ff:fe00:1", within=10)
        assert ping(None, "fd00::2", within=10)
        capture.until(lambda frame: not frame.outgoing and frame.is_echo_reply)
    assert any(frame.is_router_solicitation and not frame.outgoing for frame in capture.seen) is accept_ra


def test_a_device_that_returns_to_the_host_brings_nothing_along(pod: Pod) -> None:
    """As a virtual function does: the kernel treats all devices that move alike."""
    keys = [f"ipv{family}/conf/eth1/{key}" for family, key in ((4, "arp_ignore"), (6, "accept_ra"), (6, "autoconf"))]
    run_in(None, ["ip", "link", "add", "eth1", "type", "veth", "peer", "name", "host2"])
    before = sysctl.read_all(keys)
    run_in(None, ["ip", "link", "del", "eth1"])
    applied(pod.record(pod.attachment("fd00::2/64")))
    assert list(inside(pod.ns, lambda: sysctl.read_all(keys)).values()) == ["1", "0", "0"]
    with pod.ns.open() as fd, netns_rtnl(fd) as inner, open("/proc/thread-self/ns/net", "rb") as host:
        link = inner.link("eth1")
        assert link is not None
        inner.move_link(link.index, host.fileno(), "eth1", up=False)
    assert sysctl.read_all(keys) == before
