"""What a change of an IPPool may mean to Pods that wait."""

from __future__ import annotations

from typing import Any

from secnet.agent.pods._pool_changes import PoolChange, PoolChanges


def pool(used: int = 0, cidr: str = "10.0.0.0/24") -> dict[str, Any]:
    spec = {"ipRanges": [{"cidr": cidr}]}
    return {"metadata": {"name": "p"}, "spec": spec, "status": {"ipAddresses": [{}] * used}}


def test_a_pool_over_its_life() -> None:
    changes = PoolChanges()
    seen = [
        changes.note(pool(used=2), deleted=False),
        changes.note(pool(used=3), deleted=False),
        changes.note(pool(used=1), deleted=False),
        changes.note(pool(used=1, cidr="10.1.0.0/24"), deleted=False),
        changes.note(pool(), deleted=True),
        changes.note(pool(), deleted=False),
    ]
    assert seen == [
        PoolChange.NEW,
        PoolChange.NOTHING,
        PoolChange.RELEASED,
        PoolChange.EDITED,
        PoolChange.EDITED,
        PoolChange.NEW,
    ]
