"""What this node is called."""

from __future__ import annotations

import socket

import pytest
from secnet.agent.config._node_name import node_name
from secnet.contract import InvalidConfig


def test_the_configuration_then_the_environment_then_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NODE_NAME", raising=False)
    assert node_name(None, "x") == socket.gethostname()
    assert node_name("given", "x") == "given"
    monkeypatch.setenv("NODE_NAME", "told")
    assert node_name(None, "x") == "told"
    assert node_name("told", "x") == "told"


def test_two_names_that_differ_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_NAME", "worker-2")
    with pytest.raises(InvalidConfig, match=r"'worker-1'.*'worker-2'") as caught:
        node_name("worker-1", "node configuration")
    assert (caught.value.path, caught.value.subject) == ("$.nodeName", "node configuration")
