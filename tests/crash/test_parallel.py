"""The agent dies while it attaches many Pods at once."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from secnet_conformance.steps import ANY, StepPoint
from secnet_testing import node_snapshot
from secnet_testing.kill_point_count import CountPoints
from secnet_testing.killable_agent import program, read_steps
from secnet_testing.netns import run_in
from secnet_testing.node import Node

from .scene import Scene, play_scene, wait_equal

pytestmark = pytest.mark.ovs

PODS = tuple(f"pod-{number}" for number in range(8))
ROUNDS = 6
SEED = int(os.environ.get("SECNET_TEST_SEED", random.SystemRandom().randrange(10**6)))
SIGKILLED = -9


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with play_scene(tmp_path / "scene", workers={"count": len(PODS), "attachTimeout": 60}) as scene:
        scene.detach(*PODS)
        yield scene


def test_no_address_is_given_twice_and_nothing_leaks(scene: Scene, tmp_path: Path, count_points: CountPoints) -> None:
    node, rng = scene.node, random.Random(SEED)
    print(f"seed {SEED}: set SECNET_TEST_SEED to it to draw the same points")
    steps = _clean_run(scene, tmp_path / "steps")
    for number in range(ROUNDS):
        # Conflicts between threads repeat a step now and then, so a clean run may have had some more than the next.
        point = StepPoint(name=ANY, number=rng.randint(1, steps * 9 // 10), moment=rng.choice(("before", "after")))
        print(f"round {number}: {point} of {steps} steps")
        scene.attach(*PODS)
        marker = tmp_path / f"marker-{number}"
        victim = node.agent(program=program("kill", point, marker), ready=False)
        assert victim.wait_end(60) == SIGKILLED
        assert marker.read_text() == str(point)
        node.agent()
        node.wait_attached(*PODS, within=60)
        _require_consistent(node)
        scene.detach(*PODS)
        node.wait_detached(*PODS)
        assert wait_equal(node, scene.empty) == []
        node.stop()
    count_points("in parallel", ROUNDS)


def _clean_run(scene: Scene, record: Path) -> int:
    """How many steps it takes; leaves the Pods detached, with a picture of that."""
    node = scene.node
    scene.attach(*PODS)
    node.agent(program=program("record", record))
    node.wait_attached(*PODS, within=60)
    _require_consistent(node)
    steps = len(read_steps(record))
    scene.detach(*PODS)
    node.wait_detached(*PODS)
    node.stop()
    scene.empty = node_snapshot.take_settled(node)
    return steps


def _require_consistent(node: Node) -> None:
    """Pools, records, reports, switch and Pods agree, and nothing is there that no Pod asked for."""
    given = [entry for pool in node.store.list("IPPool") for entry in pool["status"]["ipAddresses"]]
    addresses = Counter(entry["ipAddress"] for entry in given)
    assert addresses.most_common(1)[0][1] == 1, addresses
    records = node.records()
    assert len(records) == 2 * len(PODS)
    recorded = [
        item.address.split("/")[0] for r in records if r.attachment.lease for item in r.attachment.lease.addresses
    ]
    assert sorted(recorded) == sorted(addresses)
    assert sorted(_kernel_addresses(node)) == sorted(addresses)
    hosts = sorted(str(record.attachment.names["host"]) for record in records)
    assert sorted(name for name in node.ovs.rows()["Port"] if name.startswith("sn")) == hosts
    links = json.loads(run_in(node.namespace, ["ip", "-j", "link", "show", "type", "veth"]))
    assert sorted(link["ifname"] for link in links) == hosts


def _kernel_addresses(node: Node) -> Iterator[str]:
    for name in PODS:
        for link in json.loads(run_in(node.pod(name), ["ip", "-j", "address", "show", "scope", "global"])):
            # iproute2 prints an empty object for each address that it filters out.
            yield from (address["local"] for address in link.get("addr_info", ()) if address)
