"""From the status codes of gRPC to the errors of the contract."""

from __future__ import annotations

from secnet.contract import Gone, MissingPrivilege, Timeout, Unavailable, Unsupported

from ...base.unix_grpc import Meaning, Statuses

__all__ = ["STATUSES"]

STATUSES = Statuses(
    table={
        "UNAVAILABLE": Meaning(
            error=Unavailable,
            hint="it is tried again; look whether the container runtime runs, whether `cri.socket` in the node configuration "
            "names its socket and whether the directory of the socket is mounted into the agent",
        ),
        "NOT_FOUND": Meaning(error=Gone, hint="the sandbox was removed; what was begun for it is cleaned up"),
        "DEADLINE_EXCEEDED": Meaning(
            error=Timeout, hint="it is tried again; look whether the container runtime is overloaded or hangs"
        ),
        "UNIMPLEMENTED": Meaning(
            error=Unsupported,
            hint="the agent needs a container runtime with CRI v1, such as containerd 1.6 or CRI-O 1.23",
        ),
        "PERMISSION_DENIED": Meaning(
            error=MissingPrivilege, hint="run the agent as root or give it access to the socket"
        ),
    },
    # containerd says UNKNOWN for most things, also while it is still starting.
    other=Meaning(error=Unavailable, hint="it is tried again; see the log of the container runtime"),
)
"""What each status code means."""
