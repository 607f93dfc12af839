"""Mounts: what must be on tmpfs, what must propagate into a container, what must be writable."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ._base import Host, Result, fail, ok, warn

__all__ = ["Mount", "check_mounts", "mount_of", "read_mounts"]

_NETNS_DIRS = ("/run/netns", "/var/run/netns")
_CONTAINER_ROOTS = ("overlay", "aufs", "fuse-overlayfs")
_TMPFS = ("tmpfs", "ramfs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One line of mountinfo(5). writable: neither the mount nor its file system is read-only."""

    point: Path
    kind: str
    writable: bool
    propagates: bool


def read_mounts(host: Host) -> list[Mount]:
    """All mounts of this process, in the order in which they were made."""
    lines = host.path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return [_parse(line) for line in lines]


def mount_of(mounts: list[Mount], path: Path) -> Mount:
    """The mount that a path lies on: of the longest mount points above it the last one."""
    above = [mount for mount in mounts if path == mount.point or mount.point in path.parents]
    longest = max(len(mount.point.parts) for mount in above)
    return [mount for mount in above if len(mount.point.parts) == longest][-1]


def check_mounts(host: Host) -> Iterator[Result]:
    """The agent's two directories, the directories of network namespaces, /proc/sys and /sys."""
    mounts = read_mounts(host)
    contained = mount_of(mounts, Path("/")).kind in _CONTAINER_ROOTS or "KUBERNETES_SERVICE_HOST" in host.environment
    yield _run_dir(host, mounts, contained)
    yield _state_dir(host, mounts, contained)
    yield from _netns(host, mounts, contained)
    yield _proc_sys(mounts)
    for path, users in host.needing(lambda needs: needs.writable).items():
        if path != "/proc/sys":  # the core needs it too
            yield _writable(host, mounts, path, users)


def _run_dir(host: Host, mounts: list[Mount], contained: bool) -> Result:
    path = Path(os.path.realpath(host.settings.run_dir))
    what = f"runDir {path}"
    mount = mount_of(mounts, path)
    if contained and mount.point == Path("/"):
        return fail(
            what,
            "lies in the container's own file system: records die with the container",
            "mount a hostPath on the host's /run there",
        )
    if mount.kind not in _TMPFS:
        return warn(
            what,
            f"lies on {mount.kind}, not on tmpfs: records outlive the kernel objects that they name",
            "set runDir to a directory on a tmpfs, or mount one there",
        )
    return ok(what, f"on {mount.kind}")


def _state_dir(host: Host, mounts: list[Mount], contained: bool) -> Result:
    """Drivers make nothing on a node where it cannot be noted that they have to take it away."""
    path = Path(os.path.realpath(host.settings.state_dir))
    what = f"stateDir {path}"
    mount = mount_of(mounts, path)
    if contained and mount.point == Path("/"):
        return fail(
            what,
            "lies in the container's own file system: what has to be removed later is forgotten with the container",
            "mount a hostPath there that outlives a reboot",
        )
    if not mount.writable:
        return fail(what, "read-only: no bridge is made, and no device configured", "mount it read-write")
    if mount.kind in _TMPFS:
        return warn(
            what, f"lies on {mount.kind}: it does not outlive a reboot", "set stateDir to a directory on a disk"
        )
    return ok(what, f"on {mount.kind}")


def _netns(host: Host, mounts: list[Mount], contained: bool) -> Iterator[Result]:
    """Without propagation a namespace that is made later is an empty file here."""
    places = {Path(os.path.realpath(path)) for path in _NETNS_DIRS}
    for place in sorted(places):
        what = f"network namespaces in {place}"
        if not host.path(place).is_dir():
            remedy = (
                "mount the host's directory" if contained else "it comes with the first Pod, or with `ip netns add`"
            )
            yield warn(what, "the directory does not exist", remedy)
        elif contained and mount_of(mounts, place).point == Path("/"):
            yield fail(what, "the container has a directory of its own", "mount the host's, with HostToContainer")
        elif contained and not mount_of(mounts, place).propagates:
            remedy = "set mountPropagation: HostToContainer on that mount"
            yield fail(what, "mounts of the host do not come through: later namespaces are empty files", remedy)
        else:
            yield ok(what, "mounts of the host come through" if contained else "of the host itself")


def _proc_sys(mounts: list[Mount]) -> Result:
    if mount_of(mounts, Path("/proc/sys/net")).writable:
        return ok("/proc/sys", "writable")
    remedy = "an agent that may mount makes it writable when it starts: its log says why it could not"
    return fail("/proc/sys", "read-only: no sysctl can be set", remedy)


def _writable(host: Host, mounts: list[Mount], path: str, users: list[str]) -> Result:
    if mount_of(mounts, Path(path)).writable:
        return ok(path, f"writable, as needed by {', '.join(users)}")
    return host.worse(users)(
        path, f"read-only, but {', '.join(users)} needs to write it", f"mount the host's {path} read-write"
    )


def _parse(line: str) -> Mount:
    left, _, right = line.partition(" - ")
    fields, (kind, _, superoptions) = left.split(" "), right.split(" ", 2)
    return Mount(
        point=Path(re.sub(r"\\([0-7]{3})", lambda hit: chr(int(hit[1], 8)), fields[4])),
        kind=kind,
        writable="ro" not in fields[5].split(",") and "ro" not in superoptions.split(","),
        propagates=any(item.startswith(("shared:", "master:")) for item in fields[6:]),
    )
