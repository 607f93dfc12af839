"""Where Pods' network namespaces are, by the word of the container runtime (CRI v1).

The extra `secnet[cluster]` brings grpcio and protobuf; the first client that is made imports them, not this package.
"""

from .client import RuntimeClient, RuntimeSandbox, SandboxStatus
from .errors import STATUS_TABLE, Meaning, from_status
from .sandboxes import CriSandboxes

__all__ = [
    "STATUS_TABLE",
    "CriSandboxes",
    "Meaning",
    "RuntimeClient",
    "RuntimeSandbox",
    "SandboxStatus",
    "from_status",
]
