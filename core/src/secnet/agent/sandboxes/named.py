"""Where a Pod's network namespace is: the interface of all sources, and the one for Pods from manifests.

In a cluster the container runtime (`cri.sandboxes`) and the CNI plugin's calls (`cni_cache`) give it. Only for manifests does
`secnet.io/netns` count: in a cluster a Pod's author must not be able to name a namespace.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Hashable, Mapping
from typing import Any

from secnet.contract import InvalidConfig, SecnetError
from secnet.linux.netns import forbid_host, identify

from ..model.pod import pod_ref
from ..model.sandbox import Sandbox

__all__ = ["NETNS_ANNOTATION", "NamedNetns"]

NETNS_ANNOTATION = "secnet.io/netns"

_FOLDERS = ("/run/netns", "/var/run/netns")


class NamedNetns:
    """The annotation `secnet.io/netns` (a path below /run/netns), by default `/run/netns/<Pod name>`.

    Only root makes names there. Elsewhere, as in /proc, a path may lead to the namespace of any process (SECURITY.md).
    """

    def resolve(self, pod: Mapping[str, Any], *, now: bool = True) -> Sandbox:
        """See `SandboxSource.resolve`. The container id follows from the Pod's uid and the namespace's identity."""
        ref = pod_ref(pod)
        path = _path(pod)
        if not isinstance(path, str) or not _is_below_netns(path):
            raise InvalidConfig(
                f"{path!r:.200} is not the path of a file below {_FOLDERS[0]}",
                hint=f"name the namespace there (`ip netns attach NAME PID`), and give a path such as {_FOLDERS[0]}/web-0",
                subject=f"Pod {ref}",
                path=f"$.metadata.annotations['{NETNS_ANNOTATION}']",
            )
        netns = identify(path)
        forbid_host(netns)
        identity = f"{ref.uid}/{netns.device}:{netns.inode}:{netns.cookie}"
        return Sandbox(container_id=hashlib.sha256(identity.encode()).hexdigest(), netns=netns)

    def fingerprint(self, pod: Mapping[str, Any]) -> Hashable:
        """See `SandboxSource.fingerprint`. A namespace made again may get the same inode number, but not the same time."""
        try:
            found = os.stat(_path(pod))
        except (OSError, ValueError, TypeError):
            return None
        return (found.st_dev, found.st_ino, found.st_ctime_ns)

    def container_of(self, pod: Mapping[str, Any]) -> str | None:
        """See `SandboxSource.container_of`."""
        try:
            return self.resolve(pod).container_id
        except SecnetError:
            return None

    def has_ended(self, container_id: str, *, now: bool = True) -> bool:
        """See `SandboxSource.has_ended`. With its manifest the Pod is gone: nothing else could end it."""
        return True


def _is_below_netns(path: str) -> bool:
    """By what is written, with nothing in it that leads out again; links within are root's."""
    inside = next((path.removeprefix(f"{folder}/") for folder in _FOLDERS if path.startswith(f"{folder}/")), "")
    return path.isprintable() and not {"", ".", ".."}.intersection(inside.split("/"))


def _path(pod: Mapping[str, Any]) -> Any:
    annotations = pod["metadata"].get("annotations") or {}
    return annotations.get(NETNS_ANNOTATION, f"/run/netns/{pod['metadata']['name']}")
