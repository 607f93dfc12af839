"""What stands around the agent on a node of a cluster: the runtime's and the kubelet's sockets, and the CNI configuration."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from secnet.contract import SecnetError
from secnet.linux.privileges import lacking

from ..cni.install import NO_NETWORK, SINGLE_TYPE, SOCKET_LINK
from ..cni.owners import setting_to_share
from ..config.settings import CniSettings
from ..devices import all_devices
from ..preflight.multus import how_to_forget, memory_path, remembered_since
from ._base import Host, Result, fail, ok, warn

__all__ = ["check_cni", "check_multus", "check_sockets"]

PLUGIN = "secnet-cni"
_CONF_DIR = Path("/etc/cni/net.d")
_USUAL_SOCKET = "/run/secnet/cni.sock"  # deploy/cni/agent.c
_CONF_SUFFIXES = (".conf", ".conflist", ".json")
_CONNECT_SECONDS = 2.0


def check_sockets(host: Host) -> Iterator[Result]:
    """The CRI socket, and the kubelet's where a network type takes devices. Only with the Kubernetes API."""
    settings = host.settings
    if settings.kubernetes is None:
        return
    problem = _problem(host.path(settings.cri_socket))
    what = f"CRI socket {settings.cri_socket}"
    if problem:
        yield fail(what, problem, "correct cri.socket, and mount the directory of the socket")
    else:
        yield ok(what, "answers")
    users = [name for name, plugin in sorted(host.registry.drivers.items()) if plugin.info.needs_device]
    if users:
        yield _kubelet(host, ", ".join(users))


def check_cni(host: Host) -> Iterator[Result]:
    """Where the section cni is configured: the agent's socket, the program, and its place in the runtime's configuration.

    Without the section: that no entry was left there, for it fails every new Pod.
    """
    cni = host.settings.cni
    if cni is None:
        yield from _left_behind(host)
        return
    problem = _problem(host.path(cni.socket))
    what = f"socket for the CNI plugin {cni.socket}"
    if problem:
        yield warn(what, problem, "start the agent")
    else:
        yield ok(what, "answers")
    yield _program(host, cni)
    yield from _way_to_socket(host, cni)
    yield from _directories(host, cni)
    yield _chained(host, cni)


def check_multus(host: Host) -> Iterator[Result]:
    """Multus calls the plugin of every network itself, so both would answer the same annotation."""
    folder, said = _conf_dir(host), host.settings.multus
    configured = _multus_file(host)
    since = remembered_since(host.path(memory_path(host.settings)))
    if said == "absent":
        if configured:
            remedy = "remove `multus: absent`, or remove Multus: both would attach networks of type secnet"
            yield fail(
                "Multus", f"configured by {configured}, and the node configuration says that it is absent", remedy
            )
        else:
            yield ok("Multus", f"no configuration in {folder}, as the node configuration says")
    elif configured and said == "present":
        yield ok("Multus", f"configured by {configured}, as the node configuration says")
    elif configured:
        remedy = "networks of type antrea are refused here; use type secnet, which Multus calls"
        yield warn("Multus", f"configured by {configured}", remedy)
    elif said == "present":
        finding = (
            f"no configuration in {folder}, but the node configuration says that it is present: networks of type secnet"
        )
        remedy = "see why Multus is away, or remove `multus: present`"
        yield warn("Multus", f"{finding} are left to it", remedy)
    elif since is not None:
        finding = f"no configuration in {folder}, but seen at {since}: networks of type secnet are left to it still"
        yield warn("Multus", finding, how_to_forget(host.settings))
    else:
        yield ok("Multus", f"no configuration in {folder}")


def _kubelet(host: Host, users: str) -> Result:
    """A real request: a socket of another program, or a kubelet that denies the request, counts as none."""
    path = host.settings.pod_resources
    what = f"kubelet PodResources socket {path}"
    remedy = "correct kubelet.podResources, and mount the directory of the socket"
    if problem := _problem(host.path(path)):
        return warn(what, f"{problem}, needed by {users}", remedy)
    try:
        count = len(all_devices(host.path(path)))
    except SecnetError as exc:
        return warn(what, f"{exc.message}, needed by {users}", exc.hint or remedy)
    return ok(what, f"answers, and knows {count} Pods")


def _left_behind(host: Host) -> Iterator[Result]:
    folder = _conf_dir(host)
    for path in _configurations(host, folder):
        if PLUGIN in _types(path):
            finding = f"{folder / path.name} has {PLUGIN}, but this agent serves no plugin: new Pods fail"
            yield fail("CNI chain", finding, f"take the plugin of type {PLUGIN} out of that file, or configure cni")


def _program(host: Host, cni: CniSettings) -> Result:
    """The program, and its other name, by which Multus calls it."""
    program, link = cni.bin_dir / PLUGIN, cni.bin_dir / SINGLE_TYPE
    remedy = "start the agent, which installs it" if cni.program else "install it, or correct cni.binDir"
    if not os.access(host.path(program), os.X_OK):
        finding = f"{program} is not an executable file"
        folder = _conf_dir(host)
        naming = next((path.name for path in _configurations(host, folder) if PLUGIN in _types(path)), None)
        if naming is not None:
            finding += f", and {folder / naming} names it: no Pod starts here, and each attempt may cost an address"
        return fail("CNI plugin", finding, remedy)
    if not os.path.lexists(host.path(link)):
        level = fail if _multus_serves(host) else warn
        return level("CNI plugin", f"{link} is missing: networks of type {SINGLE_TYPE} have no plugin", remedy)
    return ok("CNI plugin", f"{program} is installed")


def _way_to_socket(host: Host, cni: CniSettings) -> Iterator[Result]:
    """The program finds the socket by a link beside it, else at the usual place."""
    link = cni.bin_dir / SOCKET_LINK
    try:
        target = os.readlink(host.path(link))
    except OSError:
        target = _USUAL_SOCKET
    if target != str(cni.socket):
        finding = f"it calls {target}, but the agent listens at {cni.socket}"
        yield fail("CNI plugin's way to the agent", finding, f"set cni.program, or make the link {link}")


def _directories(host: Host, cni: CniSettings) -> Iterator[Result]:
    """Where the agent writes: by access(2), which asks owner, mode, mount and capabilities as a write would."""
    written = [cni.bin_dir] if cni.program is not None else []
    conf = cni.conf_dir
    if conf is not None and not _multus_serves(host):
        written.append(conf)
    for folder in written:
        path = host.path(folder)
        if path.is_dir() and not os.access(path, os.W_OK | os.X_OK):
            finding = f"cannot be written by this process; it belongs to user {path.stat().st_uid}"
            remedy = (
                "mount it read-write, and where it is another user's, add DAC_OVERRIDE to the container's capabilities"
            )
            yield fail(f"CNI directory {folder}", finding, remedy)
    for path in _configurations(host, conf)[:1] if conf is not None and conf in written else ():
        owner = path.stat()
        if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()) and lacking(host.path("/proc"), "CAP_CHOWN"):
            finding = f"belongs to user {owner.st_uid} and group {owner.st_gid}, which it must keep"
            yield fail(f"CNI configuration {path}", finding, "add CHOWN to the container's capabilities")


def _multus_file(host: Host) -> Path | None:
    """The configuration of Multus, by its path on the host."""
    folder = _conf_dir(host)
    found = (folder / path.name for path in _configurations(host, folder) if any("multus" in k for k in _types(path)))
    return next(found, None)


def _multus_serves(host: Host) -> bool:
    """As the agent decides it: then it chains nothing."""
    if _multus_file(host) is not None or host.settings.multus == "present":
        return True
    return host.settings.multus == "auto" and remembered_since(host.path(memory_path(host.settings))) is not None


def _chained(host: Host, cni: CniSettings) -> Result:
    """The runtime takes the first file by name. Where Multus is, nothing is chained behind it."""
    folder = _conf_dir(host)
    what = "CNI chain"
    files = _configurations(host, folder)
    if _multus_serves(host):
        left = next((folder / path.name for path in files if PLUGIN in _types(path)), None)
        if left is not None:
            finding = f"{left} has {PLUGIN}, but Multus serves this node and calls the plugin itself"
            return warn(what, finding, f"take the plugin of type {PLUGIN} out of that file")
        return ok(what, "not needed: Multus serves this node and calls the plugin itself")
    remedy = "it is written when the agent is ready" if cni.conf_dir else f"add {PLUGIN} to the plugins there"
    if not files:
        return warn(what, f"there is no CNI configuration in {folder}", NO_NETWORK)
    first = files[0]
    if PLUGIN in _types(first):
        return ok(what, f"{folder / first.name} has {PLUGIN}")
    if cni.conf_dir is not None and (setting := setting_to_share(_types(first))):
        remedy = f"{remedy}; if it does not stay, {setting}"
    return warn(what, f"{folder / first.name}, which the runtime takes, does not have {PLUGIN}", remedy)


def _conf_dir(host: Host) -> Path:
    return host.settings.cni_conf_dir or _CONF_DIR


def _configurations(host: Host, folder: Path) -> list[Path]:
    try:
        return sorted(path for path in host.path(folder).iterdir() if path.suffix in _CONF_SUFFIXES)
    except OSError:
        return []


def _types(path: Path) -> list[str]:
    """The plugin types that a CNI configuration names; none for a file that cannot be read."""
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    if not isinstance(data, dict):
        return []
    plugins = data.get("plugins") or [data]
    return (
        [str(item.get("type", "")) for item in plugins if isinstance(item, dict)] if isinstance(plugins, list) else []
    )


def _problem(path: Path) -> str:
    """Why there is no answer at a unix socket; empty when there is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_CONNECT_SECONDS)
        try:
            client.connect(str(path))
        except TimeoutError:
            return "does not answer"
        except OSError as exc:
            if exc.errno is None:
                return str(exc)
            return "no process listens" if exc.errno == errno.ECONNREFUSED else os.strerror(exc.errno)
    return ""
