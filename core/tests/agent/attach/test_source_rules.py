"""Two interfaces of a Pod in one subnet: each answers for its own address, by itself."""

from __future__ import annotations

import pytest
from secnet.agent.model.record import Record
from secnet.contract import Call
from secnet.linux.rtnl import host_rtnl
from secnet_testing.netns import frames, ping, run_in

from .conftest import LAYER3, Pod, applied, codes

pytestmark = pytest.mark.kernel

_KERNELS_RULES = (("local", 0), ("main", 32766), ("default", 32767))
FIRST, SECOND = ("10.0.0.2/24", "fd00::2/64"), ("10.0.0.3/24", "fd00::3/64")


@pytest.fixture
def twin(pod: Pod) -> tuple[Record, Record]:
    """eth1 and eth2 of the Pod, both on a bridge of the node, which has the neighbours' address."""
    with pod.ns.open() as fd, host_rtnl() as host:
        veth = host.create_veth("host2", "eth2", fd, "02:00:00:00:00:02", 1500)
        host.set_link(veth.index, up=True)
    for words in (
        "addr flush dev host0",
        "link add br0 type bridge",
        "link set host0 master br0",
        "link set host2 master br0",
        "addr add 10.0.0.1/24 dev br0",
        "addr add fd00::1/64 dev br0 nodad",
        "link set br0 up",
    ):
        run_in(None, ["ip", *words.split()])
    first = applied(pod.record(pod.attachment(*FIRST)))
    second = applied(pod.record(pod.attachment(*SECOND, ifname="eth2")))
    return first, second


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
def test_each_answers_by_itself(pod: Pod, twin: tuple[Record, Record], family: int) -> None:
    first, second = twin
    assert (codes(first), codes(second)) == ([], [])
    for addresses, host_end in ((FIRST, "host0"), (SECOND, "host2")):
        with frames(None, host_end) as capture:
            assert ping(None, addresses[family].partition("/")[0], within=10)
            capture.wait_for(lambda frame: not frame.outgoing and frame.is_echo_reply)


def test_arp_is_answered_by_the_owner_alone(pod: Pod, twin: tuple[Record, Record]) -> None:
    with frames(None, "host0") as wrong, frames(None, "host2") as right:
        run_in(None, ["ip", "neigh", "flush", "dev", "br0"])
        assert ping(None, "10.0.0.3", within=10)
        answer = right.wait_for(lambda frame: not frame.outgoing and frame.arp == (2, "10.0.0.3", "10.0.0.1"))
        assert answer.src == "02:00:00:00:00:02"
        assert ping(None, "10.0.0.2", within=10)
        heard = wrong.until(lambda frame: not frame.outgoing and frame.is_echo_reply)
        assert not any(frame.arp and frame.arp[:2] == (2, "10.0.0.3") for frame in heard)


@pytest.mark.parametrize(
    "damage",
    [
        "rule flush",
        "-6 rule flush",
        "link set eth1 down; link set eth1 up",
        "addr del 10.0.0.2/24 dev eth1; addr add 10.0.0.2/24 dev eth1",
        "route flush table 20000",
    ],
)
def test_damage_is_found_and_repaired(pod: Pod, twin: tuple[Record, Record], damage: str) -> None:
    """Down and up again, or an address set again, turn the order of the two connected routes round."""
    for words in damage.split(";"):
        pod.ip(words.strip())
    if "rule flush" in damage:  # what the kernel itself needs
        family = "-6 " if "-6" in damage else ""
        for table, priority in _KERNELS_RULES[: 2 if family else 3]:
            pod.ip(f"{family}rule add from all lookup {table} pref {priority}")
    found = [codes(record) for record in twin]
    assert any("WrongSourceRoute" in codes for codes in found), found
    after = [applied(record) for record in twin]
    assert [codes(record) for record in after] == [[], []]


def test_repeated_it_changes_nothing(pod: Pod, twin: tuple[Record, Record]) -> None:
    before = _rules(pod)
    assert applied(twin[1]) == twin[1]
    assert _rules(pod) == before
    assert len(before) == 2


def _rules(pod: Pod) -> list[str]:
    rules = pod.ip("rule show") + pod.ip("-6 rule show")
    return [line for line in rules.splitlines() if line.startswith("30000:")]


def test_detach_takes_rules_and_table_away(pod: Pod, twin: tuple[Record, Record]) -> None:
    pod.ip("link del eth2")
    for _ in range(2):
        LAYER3.restore(twin[1], Call.within(10))
    assert _rules(pod) == []
    assert codes(twin[0]) == []
    assert pod.ip("route show table 20000") == ""


def test_the_table_is_one_that_is_free(pod: Pod, twin: tuple[Record, Record]) -> None:
    assert twin[0].layer3 == {}
    assert twin[1].layer3 == {"source_table": 20000}
    assert applied(twin[0]).layer3 == {"source_table": 20001}


def test_a_table_that_another_interface_took_meanwhile(pod: Pod, twin: tuple[Record, Record]) -> None:
    """A repair detached eth2 and went no further, as Open vSwitch was away."""
    pod.ip("link del eth2")
    LAYER3.restore(twin[1], Call.within(10))
    with pod.ns.open() as fd, host_rtnl() as host:
        host.set_link(host.create_veth("host2", "eth2", fd, "02:00:00:00:00:02", 1500).index, up=True)
    pod.ip("addr add 10.0.0.3/24 dev eth2")
    first = applied(twin[0])
    assert first.layer3 == {"source_table": 20000}
    second = applied(twin[1])
    assert second.layer3 == {"source_table": 20001}
    assert (codes(first), codes(second)) == ([], [])
    assert sorted(line.split()[2] for line in _rules(pod)) == sorted(a.split("/")[0] for a in (*FIRST, *SECOND))


def test_an_address_that_changed_leaves_no_rule(pod: Pod, twin: tuple[Record, Record]) -> None:
    """As with a lease that comes again with another address."""
    other = pod.record(pod.attachment("10.0.0.9/24", ifname="eth2")).replace(layer3=twin[1].layer3)
    applied(other)
    assert [line.split()[2] for line in _rules(pod)] == ["10.0.0.9"]


def test_the_primary_interface_in_the_same_subnet(pod: Pod) -> None:
    pod.add_eth0("10.0.0.77/24")
    record = applied(pod.record(pod.attachment("10.0.0.2/24")))
    assert codes(record) == []
    assert ping(None, "10.0.0.2", within=10)
    assert "dev eth1" in pod.ip("route get 10.0.0.1 from 10.0.0.2")
    assert "dev eth0" in pod.ip("route get 10.0.0.1 from 10.0.0.77")


@pytest.mark.parametrize("address", ["10.0.1.77/24", "10.0.0.77/32"])
def test_interfaces_that_share_no_subnet_have_no_rule(pod: Pod, address: str) -> None:
    pod.add_eth0(address)
    record = applied(pod.record(pod.attachment("10.0.0.2/24")))
    assert record.layer3 == {}
    assert _rules(pod) == []
    assert codes(record) == []


def test_rules_of_others_may_do_the_same(pod: Pod, twin: tuple[Record, Record]) -> None:
    """As the CNI plugin sbr does behind us: what counts is by which interface the Pod answers."""
    for words in ("route add default via 10.0.0.1 dev eth2 table 100", "rule add from 10.0.0.3 lookup 100"):
        pod.ip(words)
    assert codes(twin[1]) == []
    pod.ip("rule del pref 30000")
    assert codes(twin[1]) == []


def test_a_rule_that_the_pod_puts_before_ours_is_its_choice(pod: Pod, twin: tuple[Record, Record]) -> None:
    """Repairing it again and again would change nothing."""
    pod.ip("route add 10.0.0.0/24 dev eth1 table 100")
    pod.ip("rule add from 10.0.0.3 lookup 100 pref 5")
    assert codes(twin[1]) == []
    pod.ip("rule del pref 30000")
    assert codes(twin[1]) == ["WrongSourceRoute"]
