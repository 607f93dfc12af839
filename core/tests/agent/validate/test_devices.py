"""What `secnet validate` says about devices."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from secnet.agent.validate._devices import examine_devices
from secnet_testing.contract_objects import work

VF, SF = "example.com/vf", "example.com/sf"


def found(pod: dict[str, Any], *resources: str | None) -> list[tuple[str, str, bool]]:
    works = [replace(work(), resource=resource) for resource in resources]
    return [(each.path, each.message, each.note) for each in examine_devices(pod, works)]


def naming(devices: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web", "annotations": {"secnet.io/devices": json.dumps(devices)}}, "spec": {}}


def asking(count: int, **spec: Any) -> dict[str, Any]:
    container = {"resources": {"limits": {VF: count}}}
    return {"metadata": {"name": "web"}, "spec": {"containers": [container], **spec}}


@pytest.mark.parametrize(
    ("pod", "resources"),
    [
        (asking(0), [None]),
        (asking(2), [VF, VF]),
        (asking(0, resourceClaims=[{"name": "claim"}]), [VF]),
        (naming(["a", "b"]), [VF, SF]),
        (naming({VF: ["a", "b"], SF: ["c"]}), [VF, SF, VF]),
    ],
)
def test_nothing_to_say(pod: dict[str, Any], resources: list[str | None]) -> None:
    assert found(pod, *resources) == []


def test_limits_that_are_too_few_are_a_note() -> None:
    message = f"2 networks need a device of resource {VF}, and the containers ask for 1"
    assert found(asking(1), VF, VF) == [("$.spec.containers", message, True)]


def test_an_annotation_that_names_too_few_is_a_finding() -> None:
    path = "$.metadata.annotations['secnet.io/devices']"
    assert found(naming({VF: ["a"]}), VF, SF) == [
        (path, f"1 network needs a device of resource {SF}, and 0 are named", False)
    ]
    assert [each[1] for each in found(naming(["a"]), VF, SF)] == [
        f"1 network needs a device of resource {VF}, and 0 are named"
    ], "what serves any resource serves one"


def test_an_annotation_that_cannot_be_read_is_a_finding_also_without_networks() -> None:
    ((path, message, note),) = found(naming({VF: "a"}))
    assert path == "$.metadata.annotations['secnet.io/devices']: $['example.com/vf']"
    assert ("list of device ids" in message, note) == (True, False)
