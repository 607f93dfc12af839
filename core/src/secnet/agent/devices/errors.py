"""From the status codes of the kubelet's PodResources service to the errors of the contract."""

from __future__ import annotations

from dataclasses import dataclass

from secnet.contract import Busy, MissingPrivilege, SecnetError, Timeout, Unavailable, Unsupported

__all__ = ["STATUS_TABLE", "Meaning", "from_status", "lacks_get", "lacks_pod"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a status code says about a failure, and what to do about it."""

    error: type[SecnetError]
    hint: str


STATUS_TABLE: dict[str, Meaning] = {
    "UNAVAILABLE": Meaning(
        error=Unavailable,
        hint="it is tried again; look whether the kubelet runs, whether `kubelet.podResources` in the node configuration names "
        "its socket and whether the directory of the socket is mounted into the agent",
    ),
    "DEADLINE_EXCEEDED": Meaning(error=Timeout, hint="it is tried again; look whether the kubelet is overloaded"),
    "RESOURCE_EXHAUSTED": Meaning(
        error=Busy, hint="it is tried again; the kubelet answers some hundred questions a second, so look who else asks"
    ),
    "UNIMPLEMENTED": Meaning(
        error=Unsupported, hint="the agent needs a kubelet with PodResources v1: Kubernetes 1.20 or newer"
    ),
    "PERMISSION_DENIED": Meaning(error=MissingPrivilege, hint="run the agent as root or give it access to the socket"),
}
"""What each status code means, by its name."""

# Go's plain errors come as UNKNOWN, whatever they say.
_OTHER = Meaning(error=Unavailable, hint="it is tried again; see the log of the kubelet")


def from_status(code: str, details: str, *, subject: str) -> SecnetError:
    """The contract's error for a call that failed. code: its name, such as `UNAVAILABLE`. details: the kubelet's own words."""
    meaning = STATUS_TABLE.get(code, _OTHER)
    message = f"asking the kubelet for the devices of Pods: {details or 'no reason given'} ({code})"
    return meaning.error(message, hint=meaning.hint, subject=subject)


def lacks_get(code: str, details: str) -> bool:
    """Whether a kubelet has no Get: older than 1.27, or with the feature gate KubeletPodResourcesGet off (until 1.34)."""
    return code == "UNIMPLEMENTED" or (code == "UNKNOWN" and "disabled" in details)


def lacks_pod(code: str, details: str) -> bool:
    """Whether a kubelet says that it does not know the Pod."""
    return code == "NOT_FOUND" or (code == "UNKNOWN" and details.endswith("not found"))
