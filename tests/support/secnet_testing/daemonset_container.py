"""What a container of the DaemonSet takes from its process, for an agent of a test that runs on the machine's own files.

A mount namespace in which everything is read-only but what the manifest mounts writable, /proc/sys as a runtime leaves it, and
of the root user's capabilities only the manifest's.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml
from secnet_conformance.needs import requires_command

from .cluster_node import ClusterNode
from .documents import ROOT
from .secnet_command import COMMAND

__all__ = ["contained"]

# $1: the directories that stay writable, one a line. $2: one that does not. What follows is the program.
# Kinds of file systems that a container has of its own, or that hold no files, are left alone.
_SCRIPT = """
writable=$1 closed=$2; shift 2
mount --make-rslave /
awk '$0 !~ / - (proc|sysfs|cgroup2?|devpts|mqueue|nsfs|devtmpfs|securityfs|debugfs|tracefs|bpf|overlay) / { print $5 }' \\
  /proc/self/mountinfo | while read -r place; do
  mount -o remount,ro,bind "$place" || ! mountpoint -q "$place"  # another test's may be gone by now
done
printf '%s' "$writable" | while read -r place; do
  mount --bind "$place" "$place"
  mount -o remount,rw,bind "$place"
done
mount --bind /proc/sys /proc/sys
mount -o remount,ro,bind /proc/sys
if touch "$closed/sn-written" 2>/dev/null; then echo 'not contained: files can be written' >&2; exit 1; fi
exec setpriv "$@"
"""


def contained(node: ClusterNode, component: str) -> list[str]:
    """The words that stand before `agent` on a command line, for `Node.agent`. The node has no sandbox yet.

    component: one of deploy/components, or empty for the base alone. A directory of the node is writable if the manifests mount
    what it plays, and not read-only.
    """
    requires_command("unshare", "setpriv", "awk", "mountpoint")
    container = _container(component)
    played = {
        "/run/secnet": node.node.run_dir,
        "/var/lib/secnet": node.node.state_dir,
        "/host/etc/cni/net.d": node.runtime.cni_conf,
        "/host/opt/cni/bin": node.runtime.cni_bin,
    }
    mounted = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly", False)}
    writable = [place for path, place in played.items() if path in mounted]
    for place in writable:
        place.mkdir(exist_ok=True)
    _share(node.runtime.folder / "state")
    bounding = ",".join(f"+{name.lower()}" for name in container["securityContext"]["capabilities"]["add"])
    enter = ["unshare", "--mount", "--propagation=unchanged", "sh", "-ec", _SCRIPT, "contain"]
    lists = ["".join(f"{place}\n" for place in writable), str(node.node.folder)]
    rights = [f"--bounding-set=-all,{bounding}", "--inh-caps=-all", "--"]
    assert container["args"][0] == "agent"
    assert "command" not in container, "the image's entry point is the program"
    return [*enter, *lists, *rights, *COMMAND]


def _container(component: str) -> dict[str, Any]:
    """The agent's container with what the component's patch has of it: mounts by path, and capabilities."""
    (found,) = _containers(ROOT / "deploy/base/daemonset.yaml")
    mounts = {mount["mountPath"]: mount for mount in found["volumeMounts"]}
    for file in sorted((ROOT / "deploy/components" / component).glob("*.yaml")) if component else ():
        for patch in _containers(file):
            mounts |= {mount["mountPath"]: mount for mount in patch.get("volumeMounts", ())}
            add = patch.get("securityContext", {}).get("capabilities", {}).get("add")
            found["securityContext"]["capabilities"]["add"] = add or found["securityContext"]["capabilities"]["add"]
    return {**found, "volumeMounts": list(mounts.values())}


def _containers(file: Path) -> list[dict[str, Any]]:
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    template = (data.get("spec") or {}).get("template") or {}
    return list(template.get("spec", {}).get("containers", ()))


def _share(folder: Path) -> None:
    """As the root of a node is: the Pods' namespaces, mounts of the runtime, then come into the container.

    The runtime takes every mount below its folder away at its end.
    """
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True, timeout=30)
    subprocess.run(["mount", "--make-shared", str(folder)], check=True, timeout=30)
