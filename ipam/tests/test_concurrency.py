"""Many agents on one pool, taking and giving: no address twice, none lost. Processes: see test_conformance."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ipam_testing.agent import churn
from ipam_testing.pools import addresses, backend, call, pool, request, usage
from ipam_testing.stores import MemoryStore
from secnet.contract import ObjectStore, StoreConflict

POOLS = (pool("v4", "10.0.0.0/24", "10.0.0.1", 24), pool("v6", "2001:db8::/64", "2001:db8::1", 64))


class Counting(MemoryStore):
    """Counts conflicts: a test of concurrency without any has tested nothing."""

    conflicts = 0

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        """Let the others read the same version, as a store behind a network would."""
        found = super().get(kind, name, namespace)
        time.sleep(0.001)
        return found

    def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
        try:
            return super().update_status(obj)
        except StoreConflict:
            self.conflicts += 1
            raise


def check(store: ObjectStore, leases: list[list[str]]) -> None:
    given = [address for lease in leases for address in lease]
    assert len(set(given)) == len(given)
    for name, length in (("v4", 24), ("v6", 64)):
        listed = [f"{address}/{length}" for address in addresses(store, name)]
        assert sorted(listed) == sorted(address for address in given if address.endswith(f"/{length}"))
        assert usage(store, name)["used"] == len(listed)


def test_agents_in_threads() -> None:
    store = Counting(*POOLS)
    with ThreadPoolExecutor(8) as threads:
        leases = list(threads.map(lambda worker: churn(store, worker, 12), range(8)))
    check(store, leases)
    assert store.conflicts > 0


def test_workers_of_one_agent_take_turns() -> None:
    """Nobody else writes, so no conflict may arise: the workers wait for each other instead."""
    store = Counting(*POOLS)
    agent = backend(store)
    start = threading.Barrier(8)

    def work(worker: int) -> list[str]:
        start.wait()
        leases = [agent.allocate(request(f"w{worker}-{n}", "v4", "v6"), call(60)) for n in range(10)]
        return [item.address for lease in leases for item in lease.addresses]

    with ThreadPoolExecutor(8) as threads:
        check(store, list(threads.map(work, range(8))))
    assert store.conflicts == 0


@pytest.mark.parametrize("vlan", [0, 100])
def test_agents_on_two_overlapping_pools_never_double_an_address(vlan: int) -> None:
    store = MemoryStore(
        pool("a", "10.0.0.0/24", "10.0.0.1", 24, vlan=vlan), pool("b", "10.0.0.0/25", "10.0.0.1", 24, vlan=vlan)
    )

    def work(worker: int) -> list[str]:
        agent, name = backend(store), "ab"[worker % 2]
        return [agent.allocate(request(f"w{worker}-{n}", name), call(60)).addresses[0].address for n in range(6)]

    with ThreadPoolExecutor(4) as threads:
        given = [address for lease in threads.map(work, range(4)) for address in lease]
    assert len(set(given)) == len(given) == 24
    assert len(addresses(store, "a")) + len(addresses(store, "b")) == 24
