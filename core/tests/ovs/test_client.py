"""The OVS client on a private Open vSwitch."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from ovs.poller import Poller
from secnet.contract import Call, Cancelled, Conflict, NotReady, Timeout, Unavailable
from secnet.ovs import KEY_ID, OWNER_ID, BridgeSpec, OvsClient, PortSpec
from secnet.ovs.target import read_schema
from secnet_testing.netns import Namespace, run_in
from secnet_testing.ovs import OvsFactory, PrivateOvs

pytestmark = pytest.mark.ovs


@pytest.fixture
def switch(node_netns: Namespace, ovs: OvsFactory) -> PrivateOvs:
    return ovs(node_netns)


@pytest.fixture
def client(switch: PrivateOvs) -> Iterator[OvsClient]:
    made = OvsClient(switch.target, timeout=8)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def bridge(client: OvsClient) -> str:
    client.ensure_bridge(BridgeSpec(name="br-a", owner="secnet", datapath_type="netdev"), call())
    return "br-a"


def call(seconds: float = 20) -> Call:
    return Call.within(seconds)


def spec(name: str = "p1", **rest: object) -> PortSpec:
    fields = {
        "bridge": "br-a",
        "owner": "secnet",
        "key": "c1/eth1",
        "tag": 100,
        "vlan_mode": "access",
        "type": "internal",
    }
    return PortSpec(name=name, **{**fields, **rest})  # type: ignore[arg-type]


def until(condition: Callable[[], bool], what: str) -> None:
    limit = call()
    while not condition():
        try:
            limit.sleep(0.02)
        except Timeout:
            pytest.fail(f"never came true: {what}")


def test_a_bridge_is_made_as_asked_with_its_local_port_in_vlan_0(client: OvsClient, switch: PrivateOvs) -> None:
    made = client.ensure_bridge(
        BridgeSpec(
            name="br-a", owner="secnet", datapath_type="netdev", mcast_snooping=True, external_ids={"site": "lab"}
        ),
        call(),
    )
    rows = switch.rows()
    assert rows["Bridge"]["br-a"]["datapath_type"] == "netdev"
    assert rows["Bridge"]["br-a"]["mcast_snooping_enable"] is True
    assert rows["Bridge"]["br-a"]["external_ids"] == {OWNER_ID: "secnet", "site": "lab"}
    assert (rows["Port"]["br-a"]["tag"], rows["Port"]["br-a"]["vlan_mode"]) == (0, "access")
    assert (made.owner, made.mcast_snooping, made.local_tag, made.ports) == ("secnet", True, 0, ())


def test_our_bridge_is_brought_to_the_spec_and_keeps_what_others_wrote(
    client: OvsClient, switch: PrivateOvs, bridge: str
) -> None:
    switch.vsctl("set", "bridge", bridge, "external_ids:theirs=1", "mcast_snooping_enable=true")
    state = client.ensure_bridge(BridgeSpec(name=bridge, owner="secnet", datapath_type="netdev"), call())
    assert not state.mcast_snooping
    assert state.external_ids == {OWNER_ID: "secnet", "theirs": "1"}


def test_a_foreign_bridge_is_used_and_left_as_it_is(client: OvsClient, switch: PrivateOvs) -> None:
    switch.vsctl("add-br", "br-x", "--", "set", "bridge", "br-x", "datapath_type=netdev", "external_ids:theirs=1")
    before = switch.rows()
    wanted = BridgeSpec(name="br-x", owner="secnet", datapath_type="netdev", mcast_snooping=True)
    state = client.ensure_bridge(wanted, call())
    assert (state.owner, state.mcast_snooping) == ("", False)
    assert client.delete_bridge("br-x", "secnet", call()) is False
    assert switch.rows() == before
    assert client.bridges("secnet", call()) == ()


def test_a_bridge_goes_only_when_it_is_empty(client: OvsClient, switch: PrivateOvs, bridge: str) -> None:
    client.add_port(spec(), call())
    assert client.delete_bridge(bridge, "secnet", call()) is False
    client.delete_port("p1", "secnet", call())
    assert client.delete_bridge(bridge, "secnet", call()) is True
    assert client.delete_bridge(bridge, "secnet", call()) is True
    rows = switch.rows()
    assert not any(rows[table] for table in ("Bridge", "Port", "Interface"))


class Standing(Poller):  # type: ignore[misc]  # ovs has no types
    """Keeps the library's thread from its next turn. On the real machine only a great load does that, now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = threading.Event()
        self.go_on = threading.Event()

    def block(self) -> None:
        self.arrived.set()
        self.go_on.wait(30)
        super().block()


def test_a_read_sees_what_was_there_when_it_began(client: OvsClient, switch: PrivateOvs, bridge: str) -> None:
    client.add_port(spec(), call())
    session, standing = client._session, Standing()
    assert session is not None
    try:
        session._connection.poller = standing
        switch.vsctl("set", "port", "p1", "tag=200")
        assert standing.arrived.wait(20)
        switch.vsctl("set", "port", "p1", "trunks=5")
        port = client.port("p1", call())
    finally:
        standing.go_on.set()
    assert port is not None
    assert (port.tag, port.trunks) == (200, (5,))


def test_a_bridge_named_like_a_port_is_a_conflict(client: OvsClient, bridge: str) -> None:
    client.add_port(spec(), call())
    with pytest.raises(Conflict, match="has a port of this name"):
        client.ensure_bridge(BridgeSpec(name="p1", owner="secnet", datapath_type="netdev"), call())


def test_a_port_is_made_read_back_and_removed(client: OvsClient, switch: PrivateOvs, bridge: str) -> None:
    before = switch.rows()
    port = client.add_port(spec(external_ids={"pod": "web"}), call())
    row = switch.rows()["Port"]["p1"]
    assert (row["tag"], row["vlan_mode"]) == (100, "access")
    assert row["external_ids"] == {OWNER_ID: "secnet", KEY_ID: "c1/eth1", "pod": "web"}
    assert (port.bridge, port.tag, port.vlan_mode, port.error, port.owner) == ("br-a", 100, "access", "", "secnet")
    assert port.ofport is not None
    assert port.ofport > 0
    assert client.port("p1", call()) == port
    assert client.ports("secnet", call()) == (port,)
    assert client.ports("other", call()) == ()
    assert client.delete_port("p1", "secnet", call()) is True
    assert client.delete_port("p1", "secnet", call()) is True
    assert client.port("p1", call()) is None
    assert switch.rows() == before


def test_vlan_0_is_written_as_an_access_port_of_vlan_0(client: OvsClient, switch: PrivateOvs, bridge: str) -> None:
    client.add_port(spec(tag=0), call())
    row = switch.rows()["Port"]["p1"]
    assert (row["tag"], row["vlan_mode"]) == (0, "access")


def test_a_port_without_tag_is_a_trunk(client: OvsClient, switch: PrivateOvs, bridge: str) -> None:
    client.add_port(spec(tag=None, vlan_mode=None), call())
    assert switch.rows()["Port"]["p1"]["tag"] == []


def test_adding_twice_is_adding_once(client: OvsClient, switch: PrivateOvs, bridge: str) -> None:
    first = client.add_port(spec(), call())
    rows = switch.rows()
    assert client.add_port(spec(), call()) == first
    assert switch.rows() == rows


def test_our_port_that_was_altered_is_put_right(client: OvsClient, switch: PrivateOvs, bridge: str) -> None:
    client.add_port(spec(), call())
    switch.vsctl("set", "port", "p1", "tag=200")
    assert client.add_port(spec(), call()).tag == 100


@pytest.mark.parametrize("other", [{"owner": "b"}, {"key": "c2/eth1"}])
def test_a_port_of_another_owner_stays(
    client: OvsClient, switch: PrivateOvs, bridge: str, other: dict[str, str]
) -> None:
    client.add_port(spec(**other), call())
    before = switch.rows()
    with pytest.raises(Conflict, match="not ours") as raised:
        client.add_port(spec(), call())
    assert raised.value.subject == "OVS port p1"
    assert raised.value.hint
    assert client.delete_port("p1", "secnet", call(), key="c1/eth1") is False
    assert switch.rows() == before


def test_our_port_on_another_bridge_is_a_conflict(client: OvsClient, bridge: str) -> None:
    client.ensure_bridge(BridgeSpec(name="br-b", owner="secnet", datapath_type="netdev"), call())
    client.add_port(spec(bridge="br-b"), call())
    with pytest.raises(Conflict, match="exists on br-b, not on br-a"):
        client.add_port(spec(), call())


def test_a_missing_bridge_and_a_missing_device_are_not_ready(client: OvsClient, bridge: str) -> None:
    with pytest.raises(NotReady, match="bridge does not exist"):
        client.add_port(spec(bridge="br-none"), call())
    with pytest.raises(NotReady, match="No such device"):
        client.add_port(spec(name="nodev", type=""), call())


def test_absent_server_then_present_then_absent_then_back(
    node_netns: Namespace, switch: PrivateOvs, client: OvsClient, bridge: str
) -> None:
    client.add_port(spec(), call())
    switch.stop_server()
    with pytest.raises(Unavailable, match="cannot be reached") as raised:
        client.port("p1", call())
    assert "start Open vSwitch" in raised.value.hint
    with pytest.raises(Unavailable):
        client.add_port(spec(name="p2", key="c2/eth1"), call())
    switch.start_server()
    assert client.port("p1", call()) is not None
    assert client.add_port(spec(name="p2", key="c2/eth1"), call()).tag == 100
    assert set(switch.rows()["Port"]) == {"br-a", "p1", "p2"}


def test_a_client_that_was_made_before_the_server_connects_later(node_netns: Namespace, switch: PrivateOvs) -> None:
    switch.stop_server()
    late = OvsClient(switch.target, timeout=8)
    try:
        with pytest.raises(Unavailable):
            late.bridge("br-a", call())
        switch.start_server()
        assert late.bridge("br-a", call()) is None
    finally:
        late.close()


def test_a_hung_server_is_noticed_by_reads_and_writes(switch: PrivateOvs, bridge: str) -> None:
    quick = OvsClient(switch.target, timeout=0.5)
    try:
        assert quick.bridge(bridge, call()) is not None
        switch.pause_server()
        for attempt in (lambda: quick.bridge(bridge, call()), lambda: quick.add_port(spec(), call())):
            with pytest.raises(Unavailable, match="does not answer"):
                attempt()
        switch.resume_server()
        assert quick.bridge(bridge, call()) is not None
    finally:
        switch.resume_server()
        quick.close()


def _ends_with(client: OvsClient, limit: Call) -> Exception | None:
    try:
        client.bridge("br-a", limit)
    except Exception as exc:
        return exc
    return None


def _two_callers(client: OvsClient) -> tuple[Exception | None, Exception | None]:
    """How they end when the first connects and is withdrawn, and the second waits behind it and has a deadline."""
    withdrawn = call(3600)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(_ends_with, client, withdrawn)
        until(client._connecting.locked, "the first connects")
        second = pool.submit(_ends_with, client, call(0.5))
        try:
            expired = second.result(30)
            assert not first.done()
        finally:
            withdrawn.cancel.set()
        return first.result(30), expired


def _held() -> tuple[int, int]:
    """Threads, sockets and pipes. Not files: libuuid keeps one open for each thread that ever asked it."""
    kinds = (
        stat.S_IFMT(os.fstat(number).st_mode) for number in range(1024) if os.path.lexists(f"/proc/self/fd/{number}")
    )
    return threading.active_count(), sum(kind in (stat.S_IFSOCK, stat.S_IFIFO) for kind in kinds)


def _require_stalled_connect_ends(target: str) -> None:
    """The timeout is far beyond the limits in here: only the calls' own circumstances can end the waiting."""
    before = _held()
    client = OvsClient(target, timeout=60)
    cancelled, expired = _two_callers(client)
    assert isinstance(cancelled, Cancelled)
    assert isinstance(expired, Timeout)
    with ThreadPoolExecutor(1) as pool:
        last = pool.submit(_ends_with, client, call(3600))
        until(client._connecting.locked, "the last connects")
        client.close()
        assert "closed" in str(last.result(30))
    assert _held() == before


def test_a_first_connect_that_stalls_ends_with_each_call(switch: PrivateOvs) -> None:
    switch.pause_server()  # the kernel accepts, no one answers
    try:
        _require_stalled_connect_ends(switch.target)
    finally:
        switch.resume_server()


def test_a_first_connect_that_stalls_after_the_schema_ends_with_each_call(
    switch: PrivateOvs, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The answer to the first request stands ready: a server cannot be paused right behind it on cue.
    schema = read_schema(switch.target, 20)
    monkeypatch.setattr("secnet.ovs.target.read_schema", lambda *_: schema)
    switch.pause_server()
    try:
        _require_stalled_connect_ends(switch.target)
    finally:
        switch.resume_server()


def test_a_connect_to_a_full_backlog_ends_with_each_call(node_netns: Namespace) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as filling:
        address = server.getsockname()
        for _ in range(3):
            waiting = filling.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        _require_stalled_connect_ends(f"tcp:127.0.0.1:{address[1]}")


def test_a_hung_switch_is_noticed_when_a_port_is_added_and_not_when_it_is_removed(
    switch: PrivateOvs, bridge: str
) -> None:
    quick = OvsClient(switch.target, timeout=0.5)
    try:
        switch.pause_switch()
        with pytest.raises(Unavailable, match="did not act on it"):
            quick.add_port(spec(), call())
        assert quick.delete_port("p1", "secnet", call()) is True
        assert "p1" not in switch.rows()["Port"]
    finally:
        switch.resume_switch()
        quick.close()


def test_a_wait_ends_when_the_call_is_withdrawn(client: OvsClient, switch: PrivateOvs, bridge: str) -> None:
    switch.pause_switch()
    try:
        withdrawn = call()
        timer = threading.Timer(0.3, withdrawn.cancel.set)
        timer.start()
        with pytest.raises(Cancelled):
            client.add_port(spec(), withdrawn)
        timer.join()
    finally:
        switch.resume_switch()


def test_eight_threads_share_a_client_without_waiting_for_each_other(
    client: OvsClient, switch: PrivateOvs, bridge: str
) -> None:
    """With ovs-vswitchd paused no port can become ready, yet all eight are in the database: no one waits his turn."""
    switch.pause_switch()
    try:
        with ThreadPoolExecutor(8) as pool:
            specs = [spec(name=f"p{n}", key=f"c{n}/eth1") for n in range(8)]
            running = [pool.submit(client.add_port, one, call()) for one in specs]
            until(lambda: len(switch.rows()["Port"]) == 9, "eight ports and the local one")
            assert not any(future.done() for future in running)
            switch.resume_switch()
            ofports = {future.result().ofport for future in running}
    finally:
        switch.resume_switch()
    assert len(ofports) == 8


def test_close_leaves_no_thread_and_no_descriptor(node_netns: Namespace, switch: PrivateOvs) -> None:
    def held() -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    before = held()
    client = OvsClient(switch.target, timeout=8)
    client.ensure_bridge(BridgeSpec(name="br-a", owner="secnet", datapath_type="netdev"), call())
    client.add_port(spec(), call())
    client.close()
    client.close()
    assert held() == before
    with pytest.raises(Unavailable, match="closed"):
        client.port("p1", call())


def test_a_failed_connect_leaves_no_thread_and_no_descriptor(node_netns: Namespace, switch: PrivateOvs) -> None:
    before = threading.active_count(), len(os.listdir("/proc/self/fd"))
    switch.stop_server()
    client = OvsClient(switch.target, timeout=1)
    for _ in range(3):
        with pytest.raises(Unavailable):
            client.bridge("br-a", call())
    assert (threading.active_count(), len(os.listdir("/proc/self/fd"))) == before
    client.close()


def test_a_device_added_again_under_its_name_gets_a_port_of_its_own(
    node_netns: Namespace, client: OvsClient, bridge: str
) -> None:
    """Removal does not wait for ovs-vswitchd: what it still holds of the old device must not pass for the new one."""
    for _ in range(5):
        run_in(node_netns, ["ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"])
        index = socket.if_nametoindex("v0")
        assert client.add_port(spec(name="v0", type=""), call()).ofport is not None
        until(lambda index=index: client.port("v0", call()).ifindex == index, "the new device is open")  # type: ignore
        client.delete_port("v0", "secnet", call())
        run_in(node_netns, ["ip", "link", "del", "v0"])


def test_a_port_that_was_read_is_read_again_when_it_changed(client: OvsClient, switch: PrivateOvs, bridge: str) -> None:
    client.add_port(spec(), call())
    for tag in (200, 300):
        switch.vsctl("set", "port", "p1", f"tag={tag}")
        found = [client.port("p1", call()) for _ in range(2)]
        assert [port.tag if port else None for port in found] == [tag, tag]
        assert [port.tag for port in client.ports("secnet", call())] == [tag]
    switch.vsctl("set", "interface", "p1", "external_ids:x=y")
    switch.vsctl("del-port", "p1")
    assert client.port("p1", call()) is None
    assert client.ports("secnet", call()) == ()


def test_a_port_is_known_for_a_while_without_asking_the_server(switch: PrivateOvs, bridge: str) -> None:
    quick = OvsClient(switch.target, timeout=0.5)
    try:
        quick.add_port(spec(), call())
        assert quick.port("p1", call()) is not None
        switch.pause_server()
        assert quick.port("p1", call(), age=3600) is not None
        with pytest.raises(Unavailable, match="does not answer"):
            quick.port("p1", call(), age=1e-9)
    finally:
        switch.resume_server()
        quick.close()


def test_a_server_that_is_gone_has_no_ports_for_a_while(client: OvsClient, switch: PrivateOvs, bridge: str) -> None:
    client.add_port(spec(), call())
    assert client.port("p1", call()) is not None
    session = client._session
    assert session is not None
    switch.stop_server()
    until(lambda: not session._live(), "the lost connection is noticed")
    with pytest.raises(Unavailable):
        client.port("p1", call(), age=3600)


def test_nothing_is_known_of_a_database_that_was_replaced(client: OvsClient, switch: PrivateOvs, bridge: str) -> None:
    client.add_port(spec(), call())
    assert client.port("p1", call()) is not None
    switch.stop_switch()
    switch.stop_server()
    switch.new_database()
    switch.start_server()

    def answers() -> bool:
        try:
            return not client.has_bridge("br-a", call())
        except Unavailable:
            return False

    until(answers, "the client sees the new database")
    assert (client.port("p1", call()), client.bridge("br-a", call())) == (None, None)
    assert (client.ports("secnet", call()), client.bridges("secnet", call())) == ((), ())


def test_a_database_that_was_never_initialized_is_not_ready(switch: PrivateOvs, client: OvsClient) -> None:
    switch.vsctl("--no-wait", "destroy", "Open_vSwitch", ".")
    with pytest.raises(NotReady, match="its table Open_vSwitch has no row") as caught:
        client.ensure_bridge(BridgeSpec(name="br-a", owner="secnet"), call(5))
    assert "ovs-vsctl init" in caught.value.hint
