"""Which Pod a network namespace belongs to: two Pods on one netns would undo each other's interfaces."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from secnet.contract import Conflict, NetnsRef

__all__ = ["NetnsOwnership"]

PodKey = tuple[str, str]
_Identity = tuple[int, int, int]


class NetnsOwnership:
    """The first Pod to claim a netns keeps it until it lets go. Thread-safe.

    Pods are known by namespace and name: a Pod made again under its name takes over what the old one held.
    """

    def __init__(self, held: Iterable[tuple[NetnsRef, PodKey]] = ()) -> None:
        self._lock = threading.Lock()
        self._holders: dict[_Identity, PodKey] = {_identity(netns): pod for netns, pod in held}
        self._waiting: dict[_Identity, set[PodKey]] = {}

    def claim(self, netns: NetnsRef, pod: PodKey) -> set[PodKey]:
        """Take the netns for this Pod and let go of any other it had. Raises Conflict naming the first holder.

        Returns the Pods that were refused because of what this one let go of, and may try again.
        """
        identity = _identity(netns)
        released = self.release(pod, keep=netns)
        with self._lock:
            holder = self._holders.setdefault(identity, pod)
            if holder == pod:
                return released
            self._waiting.setdefault(identity, set()).add(pod)
        raise Conflict(
            f"its network namespace {netns.path} already belongs to Pod {'/'.join(holder)}",
            hint="give each Pod a network namespace of its own (annotation secnet.io/netns in the manifest)",
            subject=f"Pod {'/'.join(pod)}",
        )

    def release(self, pod: PodKey, keep: NetnsRef | None = None) -> set[PodKey]:
        """Let go of all the Pod holds but `keep`; returns the Pods that were refused because of it and may try again."""
        kept = _identity(keep) if keep else None
        with self._lock:
            return self._let_go([each for each, holder in self._holders.items() if holder == pod and each != kept])

    def give_up(self, netns: NetnsRef, pod: PodKey) -> set[PodKey]:
        """Let go of one namespace, if it is this Pod's; returns as `release`."""
        identity = _identity(netns)
        with self._lock:
            return self._let_go([identity] if self._holders.get(identity) == pod else [])

    def _let_go(self, identities: Sequence[_Identity]) -> set[PodKey]:
        for identity in identities:
            del self._holders[identity]
        return set().union(*(self._waiting.pop(identity, set()) for identity in identities))


def _identity(netns: NetnsRef) -> _Identity:
    return (netns.device, netns.inode, netns.cookie)
