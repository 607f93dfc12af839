"""One node a module, clean again after each test: what starts an Open vSwitch for each test takes minutes in all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from secnet_testing.node import Node, play_node
from secnet_testing.node_inspection import clear


@pytest.fixture(scope="module")
def module_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The node that the tests of a module share."""
    with play_node(tmp_path_factory.mktemp("node")) as made:
        yield made


@pytest.fixture
def bare(module_node: Node, tmp_path: Path) -> Iterator[Node]:
    """The module's node, empty and without an agent."""
    yield module_node
    module_node.stop()
    clear(module_node, tmp_path / "clear")


@pytest.fixture
def live(module_node: Node, tmp_path: Path) -> Iterator[Node]:
    """The module's node, empty and with a running agent."""
    if not any(process.running for process in module_node.agents):
        module_node.agent()
    yield module_node
    print(module_node.logs())  # pytest shows it when the test failed
    clear(module_node, tmp_path / "clear")
