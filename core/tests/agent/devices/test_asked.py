"""What a Pod's containers ask for."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.devices.asked import asked_for

VF = "example.com/vf"


def container(count: Any, **rest: Any) -> dict[str, Any]:
    return {"resources": {"limits": {VF: count}}, **rest}


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ({}, 0),
        ({"containers": [{}]}, 0),
        ({"containers": [container("2"), container(1)]}, 3),
        ({"initContainers": [container("2")], "containers": [container("1")]}, 2),
        ({"initContainers": [container("1", restartPolicy="Always")], "containers": [container("1")]}, 2),
        ({"containers": [container("1k")]}, 0),
    ],
)
def test_what_containers_ask_for(spec: Any, count: int) -> None:
    assert asked_for({"spec": spec}, VF) == count
