"""From the status codes of gRPC to the errors of the contract."""

from __future__ import annotations

from dataclasses import dataclass

from secnet.contract import Gone, MissingPrivilege, SecnetError, Timeout, Unavailable, Unsupported

__all__ = ["STATUS_TABLE", "Meaning", "from_status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a status code says about a failure, and what to do about it."""

    error: type[SecnetError]
    hint: str


STATUS_TABLE: dict[str, Meaning] = {
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
        error=Unsupported, hint="the agent needs a container runtime with CRI v1, such as containerd 1.6 or CRI-O 1.23"
    ),
    "PERMISSION_DENIED": Meaning(error=MissingPrivilege, hint="run the agent as root or give it access to the socket"),
}
"""What each status code means, by its name."""

# containerd says UNKNOWN for most things, also while it is still starting.
_OTHER = Meaning(error=Unavailable, hint="it is tried again; see the log of the container runtime")


def from_status(code: str, details: str, doing: str, *, subject: str) -> SecnetError:
    """The contract's error for a call that failed with a status code.

    code: its name, such as `UNAVAILABLE`. details: the runtime's own words. doing: what failed, such as `listing sandboxes`.
    """
    meaning = STATUS_TABLE.get(code, _OTHER)
    return meaning.error(f"{doing}: {details or 'no reason given'} ({code})", hint=meaning.hint, subject=subject)
