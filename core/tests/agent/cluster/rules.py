"""What every implementation of `Cluster` must do: mix-ins that a test class of each implementation inherits.

Here those about objects; `rules_watch` has those about watches, `rules_pods` those about what is said on a Pod.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import pytest
from secnet.agent.cluster.interface import Cluster
from secnet.contract import ObjectNotFound, StoreConflict

from .helpers import NETWORKS, STATUS, given, pod, pool


class World(Protocol):
    """A cluster under test, seen by two clients, and the means to make and remove objects in it.

    time: what the clocks of both clients show.
    """

    cluster: Cluster
    second: Cluster
    time: float

    def create(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Make an object, or change the one of this name; returns the live one."""
        ...

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        """Remove an object."""
        ...


def _at_once(*jobs: Callable[[], object]) -> None:
    """Run them in threads; fails with what any of them raises."""
    faults: list[BaseException] = []

    def run(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as exc:
            faults.append(exc)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def _until_no_conflict(change: Callable[[], object]) -> None:
    while True:
        try:
            change()
        except StoreConflict:
            continue
        return


class ObjectRules:
    """Reading and writing. The subclass provides the fixture `world`."""

    def test_get_returns_a_fresh_copy(self, world: World) -> None:
        world.create(pod("a", "net1"))
        first = world.cluster.get("Pod", "a", "default")
        first["metadata"]["annotations"][NETWORKS] = "edited"
        first["spec"].clear()
        again = world.cluster.get("Pod", "a", "default")
        assert again["metadata"]["annotations"][NETWORKS] == "net1"
        assert again["spec"]["containers"]

    def test_an_object_has_identity_and_version(self, world: World) -> None:
        live = world.create(pool("p"))
        assert live["apiVersion"] == "crd.antrea.io/v1beta1"
        assert live["kind"] == "IPPool"
        meta = live["metadata"]
        assert "namespace" not in meta
        assert meta["uid"]
        assert meta["generation"] == 1
        assert int(meta["resourceVersion"]) > 0
        assert meta["creationTimestamp"].endswith("Z")

    def test_get_of_nothing(self, world: World) -> None:
        with pytest.raises(ObjectNotFound) as caught:
            world.cluster.get("Pod", "nobody", "default")
        assert "nobody" in str(caught.value)
        assert caught.value.hint

    def test_list_by_kind_and_namespace(self, world: World) -> None:
        for obj in (pod("b"), pod("a"), pod("a", namespace="other"), pool("a")):
            world.create(obj)
        listed = [(o["metadata"]["namespace"], o["metadata"]["name"]) for o in world.cluster.list("Pod")]
        assert listed == [("default", "a"), ("default", "b"), ("other", "a")]
        assert [o["metadata"]["name"] for o in world.cluster.list("Pod", "other")] == ["a"]
        assert world.cluster.list("Pod", "nowhere") == []
        assert [o["kind"] for o in world.cluster.list("IPPool")] == ["IPPool"]
        assert world.cluster.names("Pod") == set(listed)
        assert len(world.cluster.names("IPPool")) == 1

    def test_list_returns_fresh_copies(self, world: World) -> None:
        world.create(pool("p"))
        world.cluster.list("IPPool")[0]["spec"].clear()
        assert world.cluster.list("IPPool")[0]["spec"]

    def test_status_update_changes_status_only(self, world: World) -> None:
        live = world.create(pool("p"))
        mine = copy.deepcopy(live)
        mine["status"] = {"ipAddresses": [given("10.10.0.2")]}
        mine["spec"] = {}
        mine["metadata"]["labels"] = {"a": "b"}
        stored = world.cluster.update_status(mine)
        assert stored["status"] == mine["status"]
        assert stored["spec"] == live["spec"]
        assert "labels" not in stored["metadata"]
        assert stored["metadata"]["generation"] == 1
        assert int(stored["metadata"]["resourceVersion"]) > int(live["metadata"]["resourceVersion"])
        mine["status"]["ipAddresses"].clear()
        assert stored["status"]["ipAddresses"]
        assert world.second.get("IPPool", "p") == stored

    def test_an_equal_status_makes_no_new_version(self, world: World) -> None:
        live = world.create(pool("p"))
        live["status"] = {"usage": {"used": 0, "total": 253}}
        stored = world.cluster.update_status(live)
        again = world.cluster.update_status(copy.deepcopy(stored))
        assert again["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"]

    def test_a_stale_status_update_is_a_conflict(self, world: World) -> None:
        world.create(pool("p"))
        mine, theirs = world.cluster.get("IPPool", "p"), world.second.get("IPPool", "p")
        theirs["status"] = {"ipAddresses": [given("10.10.0.2")]}
        world.second.update_status(theirs)
        mine["status"] = {"ipAddresses": [given("10.10.0.3")]}
        with pytest.raises(StoreConflict):
            world.cluster.update_status(mine)
        assert world.cluster.get("IPPool", "p")["status"] == theirs["status"]

    def test_a_status_update_of_a_successor_is_a_conflict(self, world: World) -> None:
        old = world.create(pool("p"))
        world.delete("IPPool", "p")
        new = world.create(pool("p"))
        assert new["metadata"]["uid"] != old["metadata"]["uid"]
        old["status"] = {"ipAddresses": []}
        with pytest.raises(StoreConflict):
            world.cluster.update_status(old)

    def test_a_status_update_of_nothing(self, world: World) -> None:
        live = world.create(pool("p"))
        world.delete("IPPool", "p")
        live["status"] = {"ipAddresses": []}
        with pytest.raises(ObjectNotFound):
            world.cluster.update_status(live)

    def test_two_writers_of_a_status_lose_nothing(self, world: World) -> None:
        world.create(pool("p"))

        def add(cluster: Cluster, address: str) -> None:
            live = cluster.get("IPPool", "p")
            taken = (live.get("status") or {}).get("ipAddresses") or []
            live["status"] = {"ipAddresses": [*taken, given(address)]}
            cluster.update_status(live)

        def add_all(cluster: Cluster, third: int) -> None:
            for last in range(10):
                _until_no_conflict(partial(add, cluster, f"10.10.{third}.{last}"))

        _at_once(lambda: add_all(world.cluster, 1), lambda: add_all(world.second, 2))
        stored = [item["ipAddress"] for item in world.cluster.get("IPPool", "p")["status"]["ipAddresses"]]
        assert sorted(stored) == [f"10.10.{third}.{last}" for third in (1, 2) for last in range(10)]

    def test_two_writers_of_an_annotation_lose_nothing(self, world: World) -> None:
        world.create(pod("a"))

        def add(cluster: Cluster, entry: str) -> None:
            meta = cluster.get("Pod", "a", "default")["metadata"]
            text = f"{(meta.get('annotations') or {}).get(STATUS, '')} {entry}".strip()
            cluster.patch_pod(
                "a", "default", meta["uid"], annotations={STATUS: text}, resource_version=meta["resourceVersion"]
            )

        def add_all(cluster: Cluster, name: str) -> None:
            for number in range(10):
                _until_no_conflict(partial(add, cluster, f"{name}{number}"))

        _at_once(lambda: add_all(world.cluster, "x"), lambda: add_all(world.second, "y"))
        text = world.cluster.get("Pod", "a", "default")["metadata"]["annotations"][STATUS]
        assert sorted(text.split()) == [f"{name}{number}" for name in "xy" for number in range(10)]
