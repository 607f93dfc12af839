"""Sandboxes that the container runtime registered through the CNI plugin, before they could be listed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any

from secnet.contract import Gone, NotReady
from secnet.linux.netns import stands

from ..model.pod import PodKey, pod_key, pod_ref
from ..model.sandbox import Sandbox, SandboxSource
from .monitor import lives

__all__ = ["CniSandboxCache"]

_ENDED_KEPT = 1024


class CniSandboxCache:
    """A `SandboxSource` that knows what ADD calls said, and asks another source for the rest. Thread-safe.

    The runtime lists a sandbox as ready only after ADD has returned, and may list it still while DEL runs. What a call
    registered takes precedence until DEL, or until the namespace is gone, or until a newer ADD for the same Pod.
    """

    def __init__(self, others: SandboxSource) -> None:
        self._others = others
        self._lock = threading.Lock()
        self._cni_sandboxes: dict[PodKey, tuple[str, Sandbox]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def register(self, pod: Mapping[str, Any], sandbox: Sandbox) -> None:
        """This is the Pod's sandbox from now on; not that of a later Pod of its name.

        Raises Gone for one that has ended while the Pod has a living one: an ADD that comes late must not take its networks. To
        be called while the Pod is held.
        """
        ref = pod_ref(pod)
        living = self._living(pod)
        with self._lock:
            ended = sandbox.container_id in self._ended
            if ended and living is not None and living.container_id != sandbox.container_id:
                raise Gone(
                    f"the sandbox {sandbox.container_id} has ended, and the Pod has another one",
                    hint="the runtime has given this one up",
                    subject=f"Pod {ref}",
                )
            self._cni_sandboxes[(ref.namespace, ref.name)] = (ref.uid, sandbox)
            self._ended.pop(sandbox.container_id, None)

    def forget(self, container_id: str) -> None:
        """That sandbox ends, or never came to be."""
        with self._lock:
            self._cni_sandboxes = {
                pod: known for pod, known in self._cni_sandboxes.items() if known[1].container_id != container_id
            }
            self._ended[container_id] = None
            while len(self._ended) > _ENDED_KEPT:
                self._ended.popitem(last=False)

    def pod_of(self, container_id: str) -> PodKey | None:
        """Whose sandbox it is, as far as a call registered it."""
        with self._lock:
            return next(
                (pod for pod, known in self._cni_sandboxes.items() if known[1].container_id == container_id), None
            )

    def is_awaited(self, container_id: str) -> bool:
        """Whether ADD registered it, no DEL came, and its namespace is there: the runtime may not list it as ready yet."""
        with self._lock:
            found = [known for _, known in self._cni_sandboxes.values() if known.container_id == container_id]
        return any(lives(known.netns) for known in found)

    def resolve(self, pod: Mapping[str, Any], *, now: bool = True) -> Sandbox:
        """See `SandboxSource.resolve`."""
        known = self._living(pod)
        if known is not None:
            return known
        found = self._others.resolve(pod, now=now)
        with self._lock:
            ended = found.container_id in self._ended
        if ended:
            raise NotReady(
                "its sandbox ends", hint="its networks are made with the next one", subject=f"Pod {pod_ref(pod)}"
            )
        return found

    def fingerprint(self, pod: Mapping[str, Any]) -> Hashable:
        """See `SandboxSource.fingerprint`."""
        known = self._of(pod)
        return known.container_id if known is not None and stands(known.netns) else self._others.fingerprint(pod)

    def container_of(self, pod: Mapping[str, Any]) -> str | None:
        """See `SandboxSource.container_of`."""
        known = self._of(pod)
        if known is not None and stands(known.netns):
            found: str | None = known.container_id
        else:
            found = self._others.container_of(pod)
        with self._lock:
            return None if found in self._ended else found

    def has_ended(self, container_id: str, *, now: bool = True) -> bool:
        """See `SandboxSource.has_ended`. A DEL says so before the runtime does."""
        with self._lock:
            if container_id in self._ended:
                return True
        return self._others.has_ended(container_id, now=now)

    def _living(self, pod: Mapping[str, Any]) -> Sandbox | None:
        known = self._of(pod)
        return known if known is not None and lives(known.netns) else None

    def _of(self, pod: Mapping[str, Any]) -> Sandbox | None:
        """What was registered of this Pod, whatever became of it."""
        with self._lock:
            uid, known = self._cni_sandboxes.get(pod_key(pod), ("", None))
        return known if uid == pod["metadata"].get("uid", "") else None
