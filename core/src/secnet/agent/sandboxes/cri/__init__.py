"""Where Pods' network namespaces are, according to the container runtime (CRI v1).

The extra `secnet[cluster]` brings grpcio and protobuf; the first client that is made imports them, not this package.
"""

from ._client import RuntimeClient, RuntimeSandbox, SandboxStatus
from ._errors import STATUSES
from ._loaded_network import LoadedNetwork
from ._sandboxes import CriSandboxes

__all__ = [
    "STATUSES",
    "CriSandboxes",
    "LoadedNetwork",
    "RuntimeClient",
    "RuntimeSandbox",
    "SandboxStatus",
]
