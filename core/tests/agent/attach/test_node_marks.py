"""Which network types may have per-node state."""

from __future__ import annotations

from pathlib import Path

from secnet.agent.attach._node_marks import NodeMarks
from secnet.agent.config.settings import Settings


def marks(folder: Path, node: str = "n") -> NodeMarks:
    return NodeMarks(Settings(node_name=node, state_dir=folder))


def test_a_mark_is_there_for_the_next_process_until_it_is_cleared(tmp_path: Path) -> None:
    for name in ("vlan", "odd/../name"):
        marks(tmp_path).set(name)
    assert marks(tmp_path).all() == ["odd/../name", "vlan"]
    marks(tmp_path).clear("vlan")
    marks(tmp_path).clear("vlan")
    assert not marks(tmp_path).has("vlan")
    assert marks(tmp_path).has("odd/../name")


def test_nodes_that_share_a_directory_have_marks_of_their_own(tmp_path: Path) -> None:
    marks(tmp_path).set("vlan")
    assert marks(tmp_path, "another").all() == []
