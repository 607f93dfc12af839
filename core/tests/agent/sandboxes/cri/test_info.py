"""Where runtimes say in their verbose status which network namespace a sandbox has.

containerd's answers have the shape that 1.6 and 1.7 were seen to give, and tests/runtime asks the real one. CRI-O was not
run: its answers have the keys that it is documented to give.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from secnet.agent.sandboxes.cri._client import network_path
from secnet.contract import Unsupported

OTHERS = [{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}]


def info(**content: Any) -> dict[str, str]:
    return {"info": json.dumps(content)}


def spec(*namespaces: Any) -> dict[str, Any]:
    return {"ociVersion": "1.0.2-dev", "linux": {"namespaces": [*OTHERS, *namespaces]}}


CONTAINERD = "/var/run/netns/cni-6c8ae2a4"
CRI_O = "/var/run/netns/d0a4f6b8-3c1e-4d6f-8c37-0d8f0c8c1b5e"


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        pytest.param(
            info(pid=4711, netNamespaceClosed=False, runtimeSpec=spec({"type": "network", "path": CONTAINERD})),
            CONTAINERD,
            id="containerd",
        ),
        pytest.param(
            info(image="pause", pid=4711, runtimeSpec=spec({"type": "network", "path": CRI_O})), CRI_O, id="CRI-O"
        ),
        pytest.param(info(pid=4711, runtimeSpec=spec({"type": "network"})), None, id="containerd, host network"),
        pytest.param(info(image="pause", pid=4711, runtimeSpec=spec()), None, id="CRI-O, host network"),
        pytest.param(info(runtimeSpec=spec("odd", {"type": "network", "path": ""})), None, id="an empty path"),
    ],
)
def test_the_path(answer: dict[str, str], path: str | None) -> None:
    assert network_path(answer, "sandbox x") == path


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"info": ""}, id="empty"),
        pytest.param({"info": "{"}, id="no JSON"),
        pytest.param({"info": "[]"}, id="no object"),
        pytest.param(info(pid=4711), id="no specification"),
        pytest.param(info(runtimeSpec={"ociVersion": "1.0.0"}), id="CRI-O without an infra container"),
        pytest.param(info(runtimeSpec={"linux": {"namespaces": []}}), id="no namespaces"),
        pytest.param(info(runtimeSpec={"linux": {"namespaces": {"network": "/x"}}}), id="no list"),
        pytest.param({"info": "[" * 100_000}, id="without end"),
        pytest.param(info(runtimeSpec=spec({"type": "network", "path": 5})), id="a number for a path"),
        pytest.param(info(runtimeSpec=spec({"type": "network", "path": "netns/x"})), id="a relative path"),
        pytest.param(info(runtimeSpec=spec({"type": "network", "path": "/x\0y"})), id="a path with a zero byte"),
        pytest.param(info(runtimeSpec=spec({"type": "network", "path": "/x\ud800"})), id="half a character"),
    ],
)
def test_an_answer_that_does_not_say_is_never_taken_for_the_network_of_the_host(answer: dict[str, str]) -> None:
    with pytest.raises(Unsupported, match="use a runtime that reports the path"):
        network_path(answer, "sandbox x")
