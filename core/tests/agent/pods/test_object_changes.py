"""Which changes of an object may help a Pod that waits for it."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.pods._object_changes import ObjectChange, ObjectChanges


def _pool(
    name: str = "red", *, used: int | None = None, first: int = 0, spec: str = "a", **status: Any
) -> dict[str, Any]:
    if used is not None:
        status["ipAddresses"] = [{"ipAddress": f"10.0.0.{first + number}"} for number in range(used)]
    meta = {"name": name}
    return {"apiVersion": "crd.antrea.io/v1beta1", "kind": "IPPool", "metadata": meta, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (_pool(), _pool(used=1), ObjectChange.NOTHING),
        (_pool(used=1, usage={"used": "1"}), _pool(used=2, usage={"used": "2"}), ObjectChange.NOTHING),
        (_pool(used=2), _pool(used=1), ObjectChange.RELEASED),
        (_pool(used=1), _pool(), ObjectChange.RELEASED),
        (_pool(used=1), _pool(used=1, spec="b"), ObjectChange.EDITED),
        (_pool(used=2), _pool(used=2, first=1), ObjectChange.RELEASED),
        (_pool(free=1), _pool(free=2), ObjectChange.RELEASED),
        (_pool(free=1), _pool(free=1), ObjectChange.NOTHING),
    ],
    ids=["first address", "one more", "one less", "the last", "edited", "one for another", "another status", "nothing"],
)
def test_what_a_change_means(before: dict[str, Any], after: dict[str, Any], change: ObjectChange) -> None:
    changes = ObjectChanges()
    assert changes.note(before, deleted=False) is ObjectChange.NEW
    assert changes.note(after, deleted=False) is change


def test_objects_are_distinguished_and_a_deleted_one_is_new_again() -> None:
    changes = ObjectChanges()
    assert changes.note(_pool("vlan1", used=2), deleted=False) is ObjectChange.NEW
    assert changes.note(_pool("vlan10", used=1), deleted=False) is ObjectChange.NEW
    assert changes.note(_pool("vlan1", used=2), deleted=True) is ObjectChange.EDITED
    assert changes.note(_pool("vlan1"), deleted=False) is ObjectChange.NEW
