"""Ready, in the log and at /readyz, only when the agent can work."""

from __future__ import annotations

from typing import Any

import pytest
from secnet_testing.cluster_node import ClusterNodeFactory, nad, pod, pool
from secnet_testing.kubeapi.definitions import IPPOOL, NAD

pytestmark = pytest.mark.runtime

PORT = 9466


@pytest.mark.parametrize(("definition", "plural"), [(NAD, "network-attachment-definitions"), (IPPOOL, "ippools")])
def test_a_definition_that_is_missing(
    cluster_node_factory: ClusterNodeFactory, definition: dict[str, Any], plural: str
) -> None:
    node = cluster_node_factory(http={"listen": f"127.0.0.1:{PORT}"})
    node.api.delete(definition)
    agent = node.node.agent()
    node.wait(lambda: plural in node.readyz(PORT)[1], "it says what is missing")
    assert node.readyz(PORT)[0] == 503
    assert "deploy/crds" in node.readyz(PORT)[1]
    node.wait(lambda: "not ready" in agent.text and plural in agent.text, "so does the log")
    assert "ready: node" not in agent.text
    node.api.create(definition)
    node.wait(lambda: node.readyz(PORT) == (200, "ok\n"), "ready", within=90)
    node.wait(lambda: "ready: node" in agent.text, "the log follows")
    node.api.create(nad("blue"))
    node.api.create(pool("blue"))
    node.api.create(pod("a", "blue"))
    node.wait_attached("a")
