"""What this node is called."""

from __future__ import annotations

import os
import socket

from secnet.contract import InvalidConfig

__all__ = ["node_name"]

_VARIABLE = "NODE_NAME"  # a DaemonSet can give each Pod the name of its node, but not a file of its own


def node_name(given: str | None, subject: str) -> str:
    """What the configuration gives, else what the environment says, else the host name.

    Raises InvalidConfig where both are given and differ: in a file that all nodes share, the name of one of them would be that of
    all. subject: what to call the configuration.
    """
    exported = os.environ.get(_VARIABLE)
    if given and exported and given != exported:
        raise InvalidConfig(
            f"{given!r}, and the environment variable {_VARIABLE} says {exported!r}",
            hint=f"remove nodeName: what {_VARIABLE} says is used then",
            subject=subject,
            path="$.nodeName",
        )
    return given or exported or socket.gethostname()
