"""`secnet apply` and `secnet delete`: exit codes, how long they wait, what they print, and who does the work."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import yaml
from secnet_conformance.snapshot import diff
from secnet_testing.netns import run_in
from secnet_testing.node import BRIDGE, Node
from secnet_testing.node_inspection import addresses, apply, exists, link, picture, unchanged, write
from secnet_testing.objects import nad, pod, pool
from secnet_testing.secnet_command import run_secnet

pytestmark = pytest.mark.ovs

NET = nad("net", vlan=10, pools=["pool"])
POOL = pool("pool", "10.10.0.2-10.10.0.9", gateway="10.10.0.1", prefix=24)


@pytest.mark.smoke
def test_delete_leaves_the_node_as_before(bare: Node, tmp_path: Path) -> None:
    apply(bare, tmp_path / "none")
    ns = bare.pod("web")
    before = picture(bare)
    apply(bare, tmp_path, NET, POOL, pod("web", ns.path, "net,net"))
    assert diff(before, picture(bare)), "the picture does not see an attachment"
    done = bare.cli("delete", tmp_path)
    assert done.returncode == 0, done.stdout
    unchanged(before, bare)
    assert not exists(bare, "Pod", "web")
    assert not exists(bare, "IPPool", "pool", "")


def test_only_permanent_errors_end_it_at_once(bare: Node, tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        NET,
        POOL,
        nad("bad", vlan=5000),
        pod("web", bare.pod("web").path, "net,bad"),
        pod("odd", bare.pod("odd").path, "[null]"),
    )
    # Far more than the attachment takes, far less than what it was told to wait.
    done = bare.cli("apply", folder, "--timeout", "600", timeout=60)
    assert done.returncode == 1
    assert "Pod default/web: eth1 on default/net: Attached 10.10.0.2/24 VLAN 10" in done.stdout
    assert "Pod default/web: eth2 on default/bad: Failed: Invalid" in done.stdout
    assert "$.vlan" in done.stdout
    assert "Pod default/odd: eth1 on default/$[0]: Failed: InvalidAnnotation: " in done.stdout
    assert "$[0]" in done.stdout
    assert addresses(bare.pod("web"), "eth1") == ["10.10.0.2/24"]


@pytest.mark.parametrize("beside", ["no agent", "an agent"])
def test_it_reports_its_own_run_and_no_older_failure(node: Node, tmp_path: Path, beside: str) -> None:
    for command in ("add up1 type veth peer name up1x", "set up1 up", "set up1x up"):
        run_in(node.namespace, ["ip", "link", *command.split()])
    node.configure(ovsBridges=[{"bridgeName": BRIDGE, "physicalInterfaces": ["up1"]}])
    if beside == "an agent":
        node.agent()
    jumbo = nad("jumbo", vlan=10, pools=["pool"], mtu=3000)
    folder = write(tmp_path, jumbo, POOL, pod("web", node.pod("web").path, "jumbo"))
    done = node.cli("apply", folder, "--timeout", "60")
    assert done.returncode == 1
    assert "Failed: InvalidConfig" in done.stdout
    for name in ("up1", "up1x"):
        run_in(node.namespace, ["ip", "link", "set", name, "mtu", "9000"])
    done = node.cli("apply", folder, "--timeout", "60")
    assert "Failed" not in done.stdout
    assert "Attached 10.10.0.2/24" in done.stdout
    assert done.returncode == 0


def test_it_waits_for_what_may_still_come_and_says_so(bare: Node, tmp_path: Path) -> None:
    folder = write(tmp_path, NET, POOL, pod("web", "/run/netns/sn-is-not-there", "net"))
    began = time.monotonic()
    done = bare.cli("apply", folder, "--timeout", "2.5")
    assert time.monotonic() - began >= 2.5
    assert done.returncode == 1
    assert "NotReady" in done.stdout
    assert "/run/netns/sn-is-not-there" in done.stdout
    progress = [line for line in done.stderr.splitlines() if "waiting for 1 of 1 Pods" in line]
    assert progress
    assert "s left: Pod default/web: NotReady" in progress[0]


def test_a_quick_apply_is_silent_on_stderr(bare: Node, tmp_path: Path) -> None:
    done = bare.cli("apply", write(tmp_path, NET))
    assert (done.returncode, [line for line in done.stderr.splitlines() if "waiting" in line]) == (0, [])


def test_a_broken_manifest_hands_nothing_over(bare: Node, tmp_path: Path) -> None:
    write(tmp_path, NET, POOL, name="a.yaml")
    (tmp_path / "b.yaml").write_text("kind: Pod\nmetadata: [\n", encoding="utf-8")
    done = bare.cli("apply", tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path}/b.yaml" in done.stderr
    assert "Traceback" not in done.stderr
    assert not exists(bare, "NetworkAttachmentDefinition", "net")


def test_a_pod_of_another_node_is_not_waited_for(bare: Node, tmp_path: Path) -> None:
    elsewhere = pod("far", "/run/netns/sn-is-not-there", "net") | {"spec": {"nodeName": "node-2"}}
    done = bare.cli("apply", write(tmp_path, NET, POOL, elsewhere), "--timeout", "600", timeout=60)
    assert (done.returncode, bare.records()) == (0, ())


def test_beside_an_agent_the_agent_does_the_work(live: Node, tmp_path: Path) -> None:
    agent = live.agents[-1]
    seen = len(agent.text)
    output = apply(live, tmp_path, NET, POOL, pod("web", live.pod("web").path, "net"))
    assert "eth1 on default/net: Attached" in output
    assert " attached" in agent.text[seen:], "somebody else attached it"
    done = live.cli("delete", tmp_path)
    assert done.returncode == 0, done.stdout
    assert " detached" in agent.text[seen:]
    assert link(live.pod("web"), "eth1") == {}


def test_one_reconciler_a_run_directory(live: Node) -> None:
    first, hasty = live.agents[-1], live.folder / "hasty.yaml"
    hasty.write_text(yaml.safe_dump(yaml.safe_load(live.config.read_text()) | {"workers": {"drainSeconds": 0}}))
    second = run_secnet("agent", "--config", hasty, timeout=60, netns=live.namespace.path)
    assert second.returncode == 1
    assert "RunDirInUse" in second.stderr
    assert str(live.run_dir) in second.stderr
    assert f"{first.pid}" in second.stderr
    assert "Traceback" not in second.stderr
    assert first.running


def test_delete_names_what_is_left(bare: Node, tmp_path: Path) -> None:
    ns = bare.pod("web")
    apply(bare, tmp_path, NET, POOL, pod("web", ns.path, "net"))
    bare.ovs.stop_server()
    try:
        done = bare.cli("delete", tmp_path, "--timeout", "2")
    finally:
        bare.ovs.start_server()
    assert done.returncode == 1
    assert "Pod default/web: not removed yet" in done.stdout
    assert "Unavailable" in done.stdout
    assert bare.cli("delete", tmp_path).returncode == 0
    assert (bare.records(), link(ns, "eth1")) == ((), {})
    assert os.listdir(bare.run_dir / "journal") == []
