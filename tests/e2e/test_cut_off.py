"""Interfaces that are as they were attached, and have no connection: every command says so, and says when it is over."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from secnet_testing.agent_page import PORT, ask
from secnet_testing.netns import run_in
from secnet_testing.node import BRIDGE, Node, play_node
from secnet_testing.node_inspection import apply, identity, network
from secnet_testing.objects import nad, pod
from secnet_testing.secnet_command import COMMAND

pytestmark = pytest.mark.ovs


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """One Pod on a bridge with an uplink, under an agent."""
    with play_node(tmp_path) as made:
        run_in(made.namespace, ["ip", "link", "add", "up0", "type", "veth", "peer", "name", "far0"])
        run_in(made.namespace, ["ip", "link", "set", "far0", "up"])
        made.configure(
            ovsBridges=[{"bridgeName": BRIDGE, "physicalInterfaces": ["up0"]}],
            http={"listen": f"127.0.0.1:{PORT}"},
        )
        made.agent()
        apply(made, tmp_path / "objects", nad("red", vlan=11), pod("p", made.pod("p").path, "red"))
        yield made
        made.stop()


def phase(node: Node) -> str:
    return str(network(node.status(), "p", "eth1")["phase"])


@pytest.mark.parametrize(
    ("break_it", "mend", "said", "ready"),
    [
        (lambda n: n.ovs.kill_switch(), lambda n: n.ovs.start_switch(), "switch ovs-vswitchd is down", False),
        (
            lambda n: run_in(n.namespace, ["ip", "link", "set", "far0", "down"]),
            lambda n: run_in(n.namespace, ["ip", "link", "set", "far0", "up"]),
            "uplink up0 is down: it has no carrier",
            True,
        ),
    ],
    ids=["dead switch", "no carrier"],
)
def test_every_command_says_what_cuts_a_pod_off(
    node: Node, break_it: Callable[[Node], object], mend: Callable[[Node], object], said: str, ready: bool
) -> None:
    before = identity(node.pod("p"), "eth1")
    assert (phase(node), node.cli("status").returncode, node.cli("topology").returncode) == ("Attached", 0, 0)
    break_it(node)
    node.wait_until(lambda: phase(node) == "Degraded", "the Pod is shown as cut off")
    status, doctor = node.cli("status"), node.cli("doctor")
    assert (status.returncode, node.cli("topology").returncode, doctor.returncode) == (1, 1, 1)
    assert f"cut off: {said}" in status.stdout
    part = said.split(" is down")[0]
    assert [line for line in doctor.stdout.splitlines() if line.startswith(f"FAIL  {part}: ")], doctor.stdout
    code, text = ask(node, "/readyz")
    assert (code, "ovs-vswitchd: it does not answer" in text) == ((200, False) if ready else (503, True))
    mend(node)
    node.wait_until(lambda: phase(node) == "Attached", "the Pod is well again")
    node.wait_until(lambda: ask(node, "/readyz")[0] == 200, "the agent is ready again")
    assert node.cli("status").returncode == 0
    assert identity(node.pod("p"), "eth1") == before, "nothing was repaired"


def test_a_switch_that_starts_again_at_once_is_no_news(node: Node) -> None:
    node.ovs.kill_switch()
    node.ovs.start_switch()
    assert "cut off" not in node.agents[-1].text
    assert phase(node) == "Attached"


def test_status_says_who_reconciles(node: Node) -> None:
    agent = node.agents[-1]
    assert f", pid {agent.pid}, " in node.cli("status").stdout.splitlines()[0]
    agent.kill()
    for command in ("status", "topology"):
        done = node.cli(command)
        assert done.returncode == 1
        assert done.stdout.startswith("no agent: state as of ")
    assert "FAIL  agent: does not run" in node.cli("doctor").stdout
    node.agent()
    assert node.cli("status").returncode == 0


def test_a_pod_that_is_not_worked_on_is_listed(node: Node, tmp_path: Path) -> None:
    node.agents[-1].kill()
    node.store.apply(pod("q", node.pod("q").path, "red"))
    done = node.cli("status")
    assert done.returncode == 1
    assert (
        "Pod default/q: Pending: it has not been worked on yet; start `secnet agent`, or run `secnet apply`"
        in done.stdout
    )


def test_sighup_reloads_and_never_kills(node: Node) -> None:
    node.stop()
    agent = node.agent(program=COMMAND)  # a forked one cannot start itself again
    before = identity(node.pod("p"), "eth1")
    text = node.config.read_text()
    node.config.write_text("nodeName: [\n")
    os.kill(agent.pid, signal.SIGHUP)
    node.wait_until(lambda: "the node configuration is not reloaded" in agent.text, "the fault is logged")
    node.config.write_text(text.replace("level: debug", "level: info"))
    os.kill(agent.pid, signal.SIGHUP)
    node.wait_until(lambda: agent.text.count("started: node ") == 2, "it has started again with the new configuration")
    assert agent.running
    assert identity(node.pod("p"), "eth1") == before
