"""How far a Pod's annotation travels: the modules of secnet that one attach enters, from the watch event to the driver's plan."""

from __future__ import annotations

import pytest
from secnet_testing import entered
from secnet_testing.cluster_node import ClusterNodeFactory, nad, pod, pool

pytestmark = pytest.mark.runtime

MOST = 33


def test_one_attach_enters_few_modules(cluster_node_factory: ClusterNodeFactory) -> None:
    node = cluster_node_factory()
    node.api.create(nad("blue"))
    node.api.create(pool("blue"))
    file = node.node.folder / "entered"
    node.node.agent(program=entered.program(file))
    for name in ("first", "second"):  # the first one parses the network, and makes driver and backend
        node.api.create(pod(name, "blue"))
        node.wait_attached(name)
    names = file.read_text().split()
    print(len(names), *names, sep="\n")
    assert len(names) <= MOST, names
