"""The former name of `cluster_node`, by which cases outside of this repository import it."""

from __future__ import annotations

from .cluster_node import CONDITION, compiled_plugin, nad, play_cluster_node, pod, pool
from .node import BRIDGE

__all__ = ["BRIDGE", "CONDITION", "compiled_plugin", "nad", "play_cluster_node", "pod", "pool"]
