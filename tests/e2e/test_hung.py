"""A third-party driver that does not return, in each of its methods: it is named everywhere, and nothing else waits for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.model.record import Phase
from secnet_testing.agent_page import PORT, ask, metrics
from secnet_testing.netns import run_in
from secnet_testing.node import Node, NodeFactory
from secnet_testing.node_inspection import addresses, errors_of, network, wait_error
from secnet_testing.objects import nad, pod, pool
from secnet_testing.odd_driver import OddDriver
from secnet_testing.plugged import plugged
from secnet_testing.secnet_command import run_secnet

pytestmark = pytest.mark.ovs

WORKERS = {"count": 2, "attachTimeout": 1, "checkInterval": 60, "drainSeconds": 2}


@pytest.fixture
def odd(tmp_path: Path) -> OddDriver:
    return OddDriver(tmp_path / "thirdparty")


@pytest.fixture
def two(node_factory: NodeFactory) -> Node:
    """A node whose agent has two workers a network type, and a second for each attach."""
    node = node_factory(workers=WORKERS, http={"listen": f"127.0.0.1:{PORT}"})
    objects(node)
    return node


def objects(node: Node) -> None:
    """A network of the vlan driver, and one of the odd one's."""
    node.store.apply(pool("net", "10.10.0.2-10.10.0.99", gateway="10.10.0.1", prefix=24))
    node.store.apply(nad("net", vlan=10, pools=["net"]))
    node.store.apply(nad("odd", network_type="odd"))


def put(node: Node, name: str, networks: str) -> None:
    node.store.apply(pod(name, node.pod(name).path, networks))


def works(node: Node, name: str = "good") -> None:
    """A Pod of the vlan driver is attached."""
    put(node, name, "net")
    node.wait_attached(name)
    assert addresses(node.pod(name), "eth1")


def phase(node: Node, name: str) -> str:
    report = node.report(name)
    return report.networks[0].phase if report is not None and report.networks else ""


def used(node: Node, name: str) -> int:
    """How many addresses of a pool are taken."""
    return len(node.store.get("IPPool", name, "").get("status", {}).get("ipAddresses", ()))


def wait_stuck(node: Node, *names: str) -> None:
    for name in names:
        node.wait_until(lambda name=name: phase(node, name) == "Stuck", f"Pod {name} stuck")  # type: ignore[misc]


def test_pods_whose_attach_hangs_starve_no_other_type(node_factory: NodeFactory, odd: OddDriver) -> None:
    """Nor does SIGTERM wait for them; all of it long before their deadline."""
    node = node_factory(workers={**WORKERS, "attachTimeout": 600})
    objects(node)
    odd.does("attach", "hang")
    odd.agent(node)
    for name in ("odd1", "odd2", "odd3"):
        put(node, name, "odd")
    node.wait_until(lambda: odd.calls("attach") == 2, "as many hang as there are workers")
    works(node)
    node.stop()


def test_a_call_that_hangs_is_named_everywhere(two: Node, odd: OddDriver) -> None:
    odd.does("attach", "hang")
    agent = odd.agent(two)
    put(two, "odd1", "odd")
    wait_stuck(two, "odd1")
    named = ("odd", "thirdparty", "attach", "odd.attach")
    status = two.status()
    entry = network(status, "odd1", "eth1")
    assert (entry["phase"], entry["error"]["reason"]) == ("Stuck", "PluginStuck")
    (line,) = (line for line in agent.text.splitlines() if "PluginStuck" in line and "pod=default/odd1" in line)
    code, reasons = ask(two, "/readyz")
    assert code == 503
    for text in (entry["error"]["message"], line, reasons):
        assert [word for word in named if word not in text] == []
    assert "network type odd" in reasons
    assert metrics(two)["secnet_plugin_calls_stuck thirdparty network_type attach odd"] == 1
    assert ask(two, "/healthz") == (200, "ok\n"), "the agent lives"
    assert odd.calls("detach") == 0, "what is held stays held"
    works(two)
    odd.does("attach", "")
    two.wait_attached("odd1")
    two.wait_until(lambda: ask(two, "/readyz")[0] == 200, "ready")
    assert metrics(two).get("secnet_plugin_calls_stuck thirdparty network_type attach odd", 0) == 0


def test_a_type_with_many_stuck_calls_is_off_and_says_so(two: Node, odd: OddDriver) -> None:
    odd.does("attach", "hang")
    odd.agent(two)
    names = [f"odd{number}" for number in range(4)]
    for name in names:
        put(two, name, "odd")
    wait_stuck(two, *names)
    put(two, "late", "odd")
    wait_error(two, "late")
    (error,) = errors_of(two.status(), "late")
    assert error["reason"] == "PluginStuck"
    assert "driver odd (thirdparty 1.2) is off: 4 calls of it have not returned (attach)" in error["message"]
    assert odd.calls("attach") == 4
    assert "is off" in ask(two, "/readyz")[1]
    works(two)
    odd.does("attach", "")
    two.wait_attached(*names, "late", within=90)


def test_sigterm_ends_an_agent_with_stuck_calls_and_the_next_one_recovers(two: Node, odd: OddDriver) -> None:
    odd.does("attach", "hang")
    odd.agent(two)
    put(two, "odd1", "odd")
    wait_stuck(two, "odd1")
    two.stop()
    (record,) = two.records()
    assert record.phase == Phase.ATTACHING
    assert odd.calls("detach") == 0
    odd.does("attach", "")
    odd.agent(two)
    two.wait_attached("odd1")
    assert odd.calls("detach") == 1


def test_a_detach_that_hangs_keeps_the_address_until_it_returns(two: Node, odd: OddDriver) -> None:
    two.store.apply(pool("one", "10.11.0.5-10.11.0.5", gateway="10.11.0.1", prefix=24))
    two.store.apply(nad("single", network_type="odd", pools=["one"]))
    odd.agent(two)
    put(two, "odd1", "single")
    two.wait_attached("odd1")
    odd.does("detach", "hang")
    two.store.delete("Pod", "odd1", "default")
    wait_stuck(two, "odd1")
    assert used(two, "one") == 1
    odd.does("detach", "")
    two.wait_detached("odd1")
    assert used(two, "one") == 0


def test_a_check_that_hangs_leaves_the_interface_working_and_the_others_checked(
    node_factory: NodeFactory, odd: OddDriver
) -> None:
    node = node_factory(workers={**WORKERS, "checkInterval": 1})
    objects(node)
    odd.agent(node)
    put(node, "odd1", "odd")
    works(node)
    node.wait_attached("odd1")
    odd.does("check", "hang")
    node.wait_until(lambda: phase(node, "odd1") == "Degraded", "Pod odd1 is shown with what hangs")
    (error,) = errors_of(node.status(), "odd1")
    assert error["reason"] == "PluginStuck"
    (address,) = addresses(node.pod("good"), "eth1")
    run_in(node.pod("good"), ["ip", "address", "del", address, "dev", "eth1"])
    node.wait_until(lambda: addresses(node.pod("good"), "eth1") == [address], "the other Pod is repaired")
    odd.does("check", "")
    node.wait_attached("odd1")


@pytest.mark.parametrize("method", ["probe", "reconcile_node"])
def test_what_hangs_about_the_node_keeps_no_other_type_waiting(two: Node, odd: OddDriver, method: str) -> None:
    odd.does(method, "hang")
    agent = odd.agent(two)
    works(two)
    two.wait_until(lambda: ask(two, "/readyz")[0] == 503 and method in ask(two, "/readyz")[1], "named", within=60)
    assert "network type odd" in ask(two, "/readyz")[1]
    two.wait_until(lambda: method in json.dumps(two.status()["drivers"]), "in the status", within=60)
    assert f"has not returned from {method}" in agent.text
    two.stop()
    assert odd.calls(method) <= 2, "it is not called again before it returns"  # at the start two ask for a probe


def test_a_hanging_probe_keeps_no_command_waiting(two: Node, odd: OddDriver) -> None:
    odd.does("probe", "hang")
    done = run_secnet(
        *("drivers", "--json", "--config", two.config),
        entry=plugged(odd.folder),
        timeout=60,
        netns=two.namespace.path,
    )
    rows: dict[str, Any] = {row["name"]: row for row in json.loads(done.stdout)}
    assert "has not returned from probe" in rows["odd"]["state"]
    assert "PluginStuck" not in rows["vlan"]["state"]


def test_an_attach_that_lies_is_a_violation_of_the_contract(two: Node, odd: OddDriver) -> None:
    odd.does("attach", "lie")
    odd.agent(two)
    put(two, "odd1", "odd")
    wait_error(two, "odd1")
    (error,) = errors_of(two.status(), "odd1")
    assert error["reason"] == "ContractViolation"
    assert "driver odd (thirdparty 1.2) returned from attach" in error["message"]
    assert "eth1" in error["message"]
    two.wait_until(lambda: odd.calls("detach"), "it is undone")
