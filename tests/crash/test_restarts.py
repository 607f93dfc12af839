"""The agent dies, the world changes, the agent starts again."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from secnet_conformance.snapshot import HostSnapshot, diff
from secnet_testing import node_snapshot
from secnet_testing.node import Node
from secnet_testing.ovs import SCHEMA

from .scene import POD, Scene, play_scene, wait_equal

pytestmark = pytest.mark.ovs

DEFAULT_ROUTES = ("dst=0.0.0.0/0, dev=eth0", "dst=::/0, dev=eth0")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """An attached Pod, whose agent was killed; `empty` and `attached` are pictures of before."""
    with play_scene(tmp_path / "scene") as scene:
        node = scene.node
        # Pools that were used once say so: a cycle of attach and detach goes before the picture of the empty node.
        node.agent()
        scene.attach()
        scene.wait_attached()
        scene.detach()
        scene.wait_detached()
        scene.empty = node_snapshot.take_settled(node)
        scene.attach()
        scene.wait_attached()
        scene.attached = node_snapshot.take_settled(node)
        node.agents[-1].kill()
        yield scene
        print(node.logs())


def _without_priors(snapshot: HostSnapshot) -> HostSnapshot:
    """What the layer-3 step took away is known to the record only: it is lost with it."""
    data: dict[str, Any] = snapshot.to_json()
    for record in data["journal"].values():
        record.pop("layer3", None)
    return HostSnapshot(data=data)


def _wait_equal_without_priors(scene: Scene) -> None:
    wanted = _without_priors(scene.attached)

    def lines() -> list[str]:
        return diff(wanted, _without_priors(node_snapshot.take(scene.node)))

    scene.node.wait_until(lambda: not lines(), "the Pod is attached as before")


def _detach_to_nothing(scene: Scene) -> None:
    """All goes but the Pod's own default routes, which only the lost record knew."""
    scene.detach()
    scene.wait_detached()
    scene.node.wait_until(lambda: _lost(scene) == [], "nothing but the default routes is lost")


def _lost(scene: Scene) -> list[str]:
    lines = diff(scene.empty, node_snapshot.take(scene.node))
    return [line for line in lines if not (line.startswith("- ") and any(route in line for route in DEFAULT_ROUTES))]


def test_the_namespace_went_meanwhile(scene: Scene) -> None:
    node = scene.node
    node.delete_pod_namespace(POD)
    node.agent()
    node.wait_until(lambda: not node.records(), "no record is left")
    node.wait_until(lambda: _phases(node) == ["Pending", "Pending"], "the report says so")
    report = node.report(POD)
    assert report is not None
    assert report.error is not None
    assert report.error.reason == "NotReady"
    empty = scene.empty.to_json()
    for section in ("ovs", "pools", "journal", "files", "status"):
        node.wait_until(functools.partial(_is_equal, node, section, empty[section]), f"{section} as before")
    assert diff(_links(scene.empty), _links(node_snapshot.take(node))) == []


def _phases(node: Node) -> list[str]:
    report = node.report(POD)
    return [network.phase for network in report.networks] if report else []


def _is_equal(node: Node, section: str, wanted: Any) -> bool:
    return bool(node_snapshot.take(node).to_json()[section] == wanted)


def _links(snapshot: HostSnapshot) -> HostSnapshot:
    return HostSnapshot(data=snapshot.to_json()["namespaces"]["node"]["links"])


def test_the_namespace_was_recreated_meanwhile(scene: Scene) -> None:
    node = scene.node
    path = node.pod(POD).path
    node.delete_pod_namespace(POD)
    old = {record.key.container_id for record in node.records()}
    scene.detach()
    scene.attach()
    assert node.pod(POD).path != path
    node.agent()
    scene.wait_attached()
    assert {record.key.container_id for record in node.records()}.isdisjoint(old)
    assert _holders(node) == {(record.key.container_id, record.key.ifname) for record in node.records()}


def _holders(node: Node) -> set[tuple[str, str]]:
    """Who the pools say holds an address."""
    owners = [
        entry["owner"]["pod"]
        for pool in node.store.list("IPPool")
        for entry in (pool.get("status") or {}).get("ipAddresses", ())
    ]
    return {(owner["containerID"], owner["ifName"]) for owner in owners}


def test_the_pod_went_meanwhile(scene: Scene) -> None:
    put_back = scene.remember_pod()
    scene.delete()
    scene.node.agent()
    scene.wait_detached()
    put_back()
    scene.detach()
    assert wait_equal(scene.node, scene.empty) == []


def test_the_run_directory_was_lost(scene: Scene) -> None:
    shutil.rmtree(scene.node.run_dir)
    scene.node.agent()
    scene.wait_attached()
    _wait_equal_without_priors(scene)
    _detach_to_nothing(scene)


def test_records_of_another_boot_are_released_and_not_adopted(scene: Scene) -> None:
    """Their kernel objects died with that boot; what has the same names now must be looked at, not believed."""
    node = scene.node
    boot_ids = {record.boot_id for record in node.records()}
    for path in (node.run_dir / "journal").glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(record | {"boot_id": "of-another-boot"}), encoding="utf-8")
    node.agent()
    scene.wait_attached()
    assert {record.boot_id for record in node.records()} == boot_ids
    _wait_equal_without_priors(scene)
    _detach_to_nothing(scene)


def test_the_database_of_the_switch_was_lost(scene: Scene) -> None:
    ovs = scene.node.ovs
    ovs.stop()
    database = ovs.folder / "conf.db"
    database.unlink()
    subprocess.run(["ovsdb-tool", "create", database, SCHEMA], check=True)
    ovs.start()
    scene.node.agent()
    scene.wait_attached()
    assert wait_equal(scene.node, scene.attached) == []
    scene.detach()
    scene.wait_detached()
    assert wait_equal(scene.node, scene.empty) == []


def test_nothing_happened_meanwhile(scene: Scene) -> None:
    scene.node.agent()
    scene.wait_attached()
    assert wait_equal(scene.node, scene.attached) == []
    assert "step " not in scene.node.agents[-1].text, "an adopted attachment needs no change"
