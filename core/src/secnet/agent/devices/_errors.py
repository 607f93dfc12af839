"""From the status codes of the kubelet's PodResources service to the errors of the contract."""

from __future__ import annotations

from secnet.contract import Busy, MissingPrivilege, Timeout, Unavailable, Unsupported

from ..base.unix_grpc import Meaning, Statuses

__all__ = ["STATUSES", "lacks_get", "lacks_pod"]

STATUSES = Statuses(
    table={
        "UNAVAILABLE": Meaning(
            error=Unavailable,
            hint="it is tried again; look whether the kubelet runs, whether `kubelet.podResources` in the node configuration "
            "names its socket and whether the directory of the socket is mounted into the agent",
        ),
        "DEADLINE_EXCEEDED": Meaning(error=Timeout, hint="it is tried again; look whether the kubelet is overloaded"),
        "RESOURCE_EXHAUSTED": Meaning(
            error=Busy,
            hint="it is tried again; the kubelet answers some hundred questions a second, so look who else asks",
        ),
        "UNIMPLEMENTED": Meaning(
            error=Unsupported, hint="the agent needs a kubelet with PodResources v1: Kubernetes 1.20 or newer"
        ),
        "PERMISSION_DENIED": Meaning(
            error=MissingPrivilege, hint="run the agent as root or give it access to the socket"
        ),
    },
    # Go's plain errors come as UNKNOWN, whatever they say.
    other=Meaning(error=Unavailable, hint="it is tried again; see the log of the kubelet"),
)
"""What each status code means."""


def lacks_get(code: str, details: str) -> bool:
    """Whether a kubelet has no Get: older than 1.27, or with the feature gate KubeletPodResourcesGet off (until 1.34)."""
    return code == "UNIMPLEMENTED" or (code == "UNKNOWN" and "disabled" in details)


def lacks_pod(code: str, details: str) -> bool:
    """Whether a kubelet says that it does not know the Pod."""
    return code == "NOT_FOUND" or (code == "UNKNOWN" and details.endswith("not found"))
