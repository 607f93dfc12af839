"""docs/quickstart.md, done as it is written: its blocks in their order, on a cluster of its own that has nothing of secnet.

What the fences say: `sh` runs where the reader sits, with `node` on each node, with `host` on the node that has an Open vSwitch
of its own. `build` is a make target, in place of which the images of this tier are taken. `machine` is what every node of
the tests has; `kernel` needs a kernel's datapath; `elsewhere` is for other clusters. A `text` block is what the block before it
prints, but for times, ages, MACs and the chosen node, and for what comes before a line `...`.
"""

from __future__ import annotations

import dataclasses
import os
import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from secnet_testing.documents import ROOT, Block, read_document
from secnet_testing.kubernetes import secnet
from secnet_testing.kubernetes.cluster import LocalCluster
from secnet_testing.kubernetes.images import image_archive, openvswitch_archive
from secnet_testing.runtime.images import archive, busybox_image

PAGE = read_document(ROOT / "docs/quickstart.md")
DEPLOYMENT = read_document(ROOT / "docs/deployment.md")
REMOVAL = PAGE.prose.count("\n", 0, PAGE.prose.index("## Remove it")) + 1
HOST, CONTAINED = "n1", "n2"
"""The node with an Open vSwitch of the machine, and the one that gets it from the DaemonSet."""
SWITCH = "secnet-openvswitch"
ARCHIVES = {
    "make image": ("secnet-0.1.0.oci.tar", image_archive),
    "make image-ovs": ("secnet-openvswitch-0.1.0.oci.tar", openvswitch_archive),
}
MASKS = {
    r"([0-9a-f]{2}:){5}[0-9a-f]{2}": "MAC",
    r"[\d./]+ ms\b": "TIME",
    r"pid \d+, (no resync yet|last resync \d+ s ago)": "AGENT",
    r"\b(\d+[hms])+$": "AGE",
    # Of one Pod or the other: kubectl chooses the agent that it asks.
    r"^default/ping-[01]": "POD",
    r"10\.10\.0\.1[01]/24": "ADDRESS",
}


class Reader:
    """A reader with a clone and kubectl. `output` is what the last block printed."""

    def __init__(self, cluster: LocalCluster, home: Path) -> None:
        self.cluster = cluster
        self.clone = home / "secnet"
        (self.clone / "dist").mkdir(parents=True)
        (self.clone / "deploy").symlink_to(ROOT / "deploy")
        self.output = ""

    def follow(self, blocks: Iterable[Block]) -> None:
        """Do them in their order."""
        for block in blocks:
            try:
                self._do(block)
            except AssertionError as exc:
                raise AssertionError(f"{PAGE.name}:{block.line}: {exc}") from exc

    def _do(self, block: Block) -> None:
        if block.language == "text":
            expected, found = masked(block.text), masked(self.output)
            if expected[0] == "...":
                expected, found = expected[1:], found[1 - len(expected) :]
            assert found == expected, f"instead it prints\n{self.output}"
        elif "build" in block.info:
            name, made = ARCHIVES[block.text.strip()]
            (self.clone / "dist" / name).symlink_to(made())
        elif "node" in block.info or "host" in block.info:
            for node in self.cluster.nodes.values() if "node" in block.info else [self.cluster.nodes[HOST]]:
                self.output = node.run("bash", "-euc", f"cd {self.clone}/dist; {block.text}", timeout=120)
        elif not {"machine", "kernel", "elsewhere"} & block.info.keys():
            assert block.language == "sh", "nothing says what is to be done with this block"
            text = block.text.replace("NODE", HOST)
            self.output = secnet.run_with_kubectl(self.cluster, text, timeout=240, folder=self.clone)


def masked(text: str) -> list[str]:
    """The lines without spaces at will, and without what differs from run to run."""
    lines = [line.strip() for line in text.strip().splitlines()]
    for pattern, name in MASKS.items():
        lines = [re.sub(pattern, name, line) for line in lines]
    return [" ".join(line.split()) for line in lines]


@pytest.fixture(scope="module")
def reader(kube: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """One who has followed the page up to its removal."""
    if os.environ.get("KUBECONFIG"):
        pytest.skip("makes a cluster of its own, and KUBECONFIG names another")
    busybox = tmp_path_factory.mktemp("busybox") / "busybox.tar"
    busybox.write_bytes(archive(dataclasses.replace(busybox_image(), name="docker.io/library/busybox:1")))
    local = LocalCluster(kube, [busybox])
    try:
        local.start()
        for daemon in ("ovs-vswitchd", "ovsdb-server"):
            local.nodes[CONTAINED].hold(daemon)
        made = Reader(local, tmp_path_factory.mktemp("home"))
        made.follow(block for block in PAGE.blocks if block.line < REMOVAL)
        yield made
    finally:
        if logs := os.environ.get("SECNET_KEEP_LOGS"):
            local.keep_logs(Path(logs))
        local.close()


def test_the_switch_runs_where_none_was(reader: Reader) -> None:
    (pod,) = reader.cluster.list("pods", SWITCH)
    assert pod["spec"]["nodeName"] == CONTAINED, "the label keeps it away from the other node"
    node = reader.cluster.nodes[CONTAINED]
    for daemon in ("ovs-vswitchd", "ovsdb-server"):
        (pid,) = node.pids(daemon)
        assert "pods" in node.read(f"/proc/{pid}/cgroup"), f"{daemon} runs in a container"
    assert "br-secondary" in node.run("ovs-vsctl", "list-br"), "programs of the node reach it"


def test_the_switch_keeps_its_bridges_over_a_restart_of_its_pod(reader: Reader) -> None:
    cluster = reader.cluster
    (old,) = cluster.list("pods", SWITCH)
    cluster.kubectl("-n", SWITCH, "delete", "pod", old["metadata"]["name"])

    def replaced() -> bool:
        (new,) = cluster.list("pods", SWITCH)
        ready = [each["ready"] for each in new["status"].get("containerStatuses", [])]
        return new["metadata"]["uid"] != old["metadata"]["uid"] and ready == [True, True]

    cluster.wait(replaced, "another Pod of Open vSwitch is ready")
    cluster.wait(
        lambda: cluster.kubectl("exec", "ping-0", "--", "ping", "-c", "1", "-W", "1", "10.10.0.11"),
        "the Pods reach each other again",
    )


def test_a_second_switch_does_not_start_on_a_node_that_has_one(reader: Reader) -> None:
    cluster, node = reader.cluster, reader.cluster.nodes[HOST]
    before = [node.pids(daemon) for daemon in ("ovs-vswitchd", "ovsdb-server")]

    def here() -> list[str]:
        pods = cluster.list("pods", SWITCH)
        return [pod["metadata"]["name"] for pod in pods if pod["spec"].get("nodeName") == HOST]

    cluster.kubectl("label", "node", HOST, "secnet.io/openvswitch-")
    cluster.wait(here, "the DaemonSet has a Pod there")
    (name,) = here()
    cluster.wait(
        lambda: "label this node" in cluster.kubectl("-n", SWITCH, "logs", name, "-c", "ovsdb-server"),
        "its log says what to do",
    )
    cluster.kubectl("label", "node", HOST, "secnet.io/openvswitch=host")
    cluster.wait(lambda: not here(), "the label takes the Pod away")
    assert [node.pids(daemon) for daemon in ("ovs-vswitchd", "ovsdb-server")] == before
    cluster.kubectl("exec", "ping-0", "--", "ping", "-c", "1", "-W", "2", "10.10.0.11")


def test_a_change_of_the_daemonset_leaves_the_switch_alone(reader: Reader) -> None:
    cluster = reader.cluster
    (before,) = cluster.list("pods", SWITCH)
    template = {"spec": {"template": {"metadata": {"annotations": {"changed": "yes"}}}}}
    cluster.kubectl("-n", SWITCH, "patch", "daemonset", "openvswitch", "-p", str(template).replace("'", '"'))

    def seen() -> bool:
        found = cluster.get("daemonset", "openvswitch", SWITCH)
        return bool(found) and found["status"].get("observedGeneration") == found["metadata"]["generation"]

    cluster.wait(seen, "the controller has seen the change")
    (after,) = cluster.list("pods", SWITCH)
    assert (after["metadata"]["uid"], after["metadata"].get("deletionTimestamp")) == (before["metadata"]["uid"], None)


def test_removing_it_leaves_nothing_behind(reader: Reader) -> None:
    reader.follow(block for block in PAGE.blocks if block.line > REMOVAL)
    cluster = reader.cluster
    for node in cluster.nodes.values():
        assert "secnet-cni" not in node.read("/etc/cni/net.d/10-bridge.conflist")
        links = node.run("ls", "/sys/class/net").split()
        assert [name for name in links if name.startswith(("sn", "br-secondary"))] == []
    assert cluster.nodes[CONTAINED].pids("ovs-vswitchd") == []
    assert {found["metadata"]["name"] for found in cluster.list("namespaces")}.isdisjoint({secnet.NAMESPACE, SWITCH})


def test_its_removal_is_that_of_the_guide() -> None:
    (shown,) = (block.text for block in PAGE.blocks if "cni-uninstall" in block.text)
    (guide,) = (block.text for block in DEPLOYMENT.blocks if "cni-uninstall" in block.text)
    assert shown == textwrap.dedent(guide)
