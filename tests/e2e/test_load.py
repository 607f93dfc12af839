"""Many Pods at once: all are attached, nothing is given twice, and nothing is left of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from secnet_testing.node import Node
from secnet_testing.node_inspection import apply, picture, unchanged, write
from secnet_testing.objects import nad, pod, pool

pytestmark = pytest.mark.ovs

PODS = 50
SHARED = (
    nad("one", vlan=10, pools=["one"]),
    nad("two", vlan=20, pools=["two", "two-ipv6"]),
    pool("one", "10.10.0.0/24", gateway="10.10.0.1", prefix=24),
    pool("two", "10.20.0.0/24", gateway="10.20.0.1", prefix=24),
    pool("two-ipv6", "fd00:20::/112", gateway="fd00:20::1", prefix=64),
)


def test_fifty_pods_with_two_networks_at_once(bare: Node, tmp_path: Path) -> None:
    apply(bare, tmp_path / "shared", *SHARED)
    names = [f"pod-{number}" for number in range(PODS)]
    pods = [pod(name, bare.pod(name).path, "one,two") for name in names]
    before = picture(bare)
    output = apply(bare, tmp_path / "pods", *pods)
    assert output.count(": Attached ") == 2 * PODS
    snapshot = picture(bare).to_json()["namespaces"]
    addresses: Counter[str] = Counter()
    macs: Counter[str] = Counter()
    for name in names:
        links = snapshot[name]["links"]
        assert sorted(links) == ["eth1", "eth2", "lo"]
        macs.update(links[ifname]["mac"] for ifname in ("eth1", "eth2"))
        found = [item["cidr"] for ifname in ("eth1", "eth2") for item in snapshot[name]["addresses"][ifname]]
        addresses.update(cidr for cidr in found if not cidr.startswith("fe80:"))
    assert (len(addresses), addresses.most_common(1)[0][1]) == (3 * PODS, 1)
    assert (len(macs), macs.most_common(1)[0][1]) == (2 * PODS, 1)
    tags = Counter(row["tag"] for row in bare.ovs.rows()["Port"].values() if row["vlan_mode"] == "access")
    assert (tags[10], tags[20]) == (PODS, PODS)
    done = bare.cli("delete", write(tmp_path / "pods", *pods))
    assert done.returncode == 0, done.stdout
    unchanged(before, bare)
