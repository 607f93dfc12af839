"""What runtimes say of the CNI configuration that they loaded; tests/api_double asks the real one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from secnet.agent.sandboxes.cri._loaded_network import LoadedNetwork, loaded_network

LOOPBACK = {"Config": {"Name": "cni-loopback", "Plugins": [{"Network": {"type": "loopback"}}]}, "IFName": "lo"}


def plugins(*types: Any) -> dict[str, Any]:
    return {"Config": {"Name": "pods", "Plugins": [{"Network": {"type": kind}} for kind in types]}, "IFName": "eth0"}


def info(*networks: Any, **changes: Any) -> dict[str, str]:
    content = {"PluginConfDir": "/etc/cni/net.d", "Networks": list(networks)} | changes
    return {"config": "{}", "cniconfig": json.dumps(content)}


@pytest.mark.parametrize(
    ("answer", "types"),
    [
        (info(LOOPBACK, plugins("bridge", "secnet-cni")), {"loopback", "bridge", "secnet-cni"}),
        (info(LOOPBACK), {"loopback"}),
        (info(), set()),
        (info(plugins(None, 7), {"Config": None}, None, {"Config": {"Plugins": [None, {"Network": None}]}}), set()),
    ],
)
def test_the_plugins_of_what_was_found(answer: dict[str, str], types: set[str]) -> None:
    assert loaded_network(answer) == LoadedNetwork(conf_dir="/etc/cni/net.d", types=frozenset(types))


@pytest.mark.parametrize(
    "answer",
    [{}, {"cniconfig": ""}, {"cniconfig": "{"}, {"cniconfig": "[]"}, info(PluginConfDir=None), info(Networks={})],
)
def test_a_runtime_that_does_not_say(answer: dict[str, str]) -> None:
    assert loaded_network(answer) is None
