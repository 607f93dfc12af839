"""A backend whose import brings the agent. In a module of its own: whoever imports the module has it all."""

from __future__ import annotations

import secnet.agent.plugins.registry  # noqa: F401, this is its fault

from .leases import ListBackend

__all__ = ["LoadsAgent"]


class LoadsAgent(ListBackend):
    """Right but for what its import loads."""

    ipam_type = "loads-agent"
