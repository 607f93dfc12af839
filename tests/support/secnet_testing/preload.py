"""Imports what `secnet` processes of tests import: every command, the clients of both APIs, and each installed plugin."""

from __future__ import annotations

import importlib
import importlib.metadata

from secnet.agent.cli.program import build_parser
from secnet.agent.plugins.registry import BACKENDS_GROUP, DRIVERS_GROUP

__all__: list[str] = []

_MODULES = ("pyroute2", "secnet.agent.cluster.kube", "secnet.agent.sandboxes.cri", "secnet_testing.killable_agent")

build_parser()
for _name in _MODULES:
    importlib.import_module(_name)
for _group in (DRIVERS_GROUP, BACKENDS_GROUP):
    for _entry_point in importlib.metadata.entry_points(group=_group):
        _entry_point.load()
