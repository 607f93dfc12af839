"""Where Pods' network namespaces are, by the word of the container runtime (CRI v1).

The extra `secnet[cluster]` brings grpcio and protobuf; the first client that is made imports them, not this package.
"""

from .client import RuntimeClient, RuntimeSandbox, SandboxStatus
from .errors import STATUSES
from .sandboxes import CriSandboxes

__all__ = [
    "STATUSES",
    "CriSandboxes",
    "RuntimeClient",
    "RuntimeSandbox",
    "SandboxStatus",
]
