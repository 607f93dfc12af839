"""The annotation `secnet.io/devices`."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.devices import AnnotatedDevices
from secnet.contract import InvalidConfig

VF = "example.com/vf"


def pod(text: str | None) -> dict[str, Any]:
    annotations = {} if text is None else {"secnet.io/devices": text}
    return {"metadata": {"name": "web", "annotations": annotations}}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, {}),
        ("{}", {}),
        ("[]", {"": ()}),
        ('["b", "a"]', {"": ("b", "a")}),
        ('{"example.com/vf": ["b", "a"], "x/y": ["c"]}', {VF: ("b", "a"), "x/y": ("c",)}),
        ('["0000:3B:02.A", "0000:3B:1F.1", "Slot-1"]', {"": ("0000:3B:02.A", "0000:3b:1f.1", "Slot-1")}),
    ],
)
def test_ids_by_resource_in_the_order_of_the_author(text: str | None, wanted: Any) -> None:
    assert AnnotatedDevices().devices_of(pod(text)) == wanted


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("{", "", "invalid JSON"),
        ('"a"', "", "ids by resource"),
        ('{"x": "a"}', ": $.x", "list of device ids"),
        ('{"x": ["a", 1]}', ": $.x[1]", "id of a device"),
        ('{"": ["a"]}', "", "without a name"),
        ('[""]', ": $[0]", "id of a device"),
        ('{"x": ["a"], "y": ["a"]}', ": $.y[0]", "named twice"),
        ('["0000:3B:02.1", "0000:3b:02.1"]', ": $[1]", "named twice"),
    ],
)
def test_what_is_refused(text: str, path: str, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message) as caught:
        AnnotatedDevices().devices_of(pod(text))
    assert caught.value.subject == "Pod default/web"
    assert caught.value.path.startswith("$.metadata.annotations['secnet.io/devices']")
    assert caught.value.path.endswith(path or caught.value.path)
    assert caught.value.hint
