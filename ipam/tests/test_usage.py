"""How full pools are, as the agent's metrics show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cluster.files.store import FileStore
from secnet.contract import Call, Cancelled, HostContext, IpamOwner, IpamRequest, NetworkRef, PoolUsage
from secnet_ipam.antrea import AntreaBackend
from secnet_ipam.usage import usage_of
from secnet_testing.objects import pool


@pytest.mark.parametrize(
    ("ranges", "total"),
    [
        ([{"start": "10.0.0.1", "end": "10.0.0.9"}, {"cidr": "10.0.1.0/30"}], 13),
        ([{"start": "10.0.0.1"}], None),
        ([], None),
    ],
)
def test_the_size_of_a_pool_without_counters(ranges: list[dict[str, str]], total: int | None) -> None:
    found = {"metadata": {"name": "p"}, "spec": {"ipRanges": ranges}, "status": {"ipAddresses": [{}, {}]}}
    assert usage_of(found) == PoolUsage(pool="p", used=2, total=total)


def test_counters_of_the_pool_count() -> None:
    found: dict[str, Any] = {"metadata": {"name": "p"}, "status": {"usage": {"total": 90, "used": 3}}}
    assert usage_of(found) == PoolUsage(pool="p", used=3, total=90)


def request(container: str, *pools: str) -> IpamRequest:
    owner = IpamOwner(container_id=container, ifname="eth1")
    return IpamRequest(owner=owner, network=NetworkRef(namespace="a", name="b"), config={"ippools": pools})


def test_the_pools_of_these_requests_are_read_once_and_a_missing_one_is_left_out(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for name in ("red", "blue", "unused"):
        store.apply(pool(name, "10.0.0.2-10.0.0.11", gateway="10.0.0.1", prefix=24))
    backend = AntreaBackend(HostContext(node_name="n", run_dir=tmp_path), store)
    backend.allocate(request("c1", "red"), Call.within(5))
    found = backend.pool_usage(
        [request("c1", "red"), request("c2", "red", "blue"), request("c3", "gone")], Call.within(5)
    )
    assert {usage.pool: (usage.used, usage.total) for usage in found} == {"red": (1, 10), "blue": (0, 10)}
    ended = Call.within(5)
    ended.cancel.set()
    with pytest.raises(Cancelled):
        backend.pool_usage([request("c1", "red")], ended)
