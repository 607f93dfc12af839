"""What a private containerd and its CNI plugins are told: everything in one folder, nothing of the machine's own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .images import PAUSE_IMAGE

__all__ = ["MTU", "DaemonPaths", "bridge_plugin", "conflist", "daemon_config"]

MTU = 1400

# The notation of version 2 is read by containerd 1.6 and 1.7 alike, and both skip names of plugins that they lack.
_TEMPLATE = """\
version = 2
root = "{root}"
state = "{state}"
# Without CAP_SYS_RESOURCE no process may have a negative score: neither the daemon nor, below, a sandbox.
oom_score = 0
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.nri.v1.nri",
]
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{opt}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = {netns_below_state}
  disable_apparmor = true
  # Its port for streams is opened on the loopback of the namespace that containerd runs in.
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "runc"
        Root = "{runc}"
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_bin}"
    conf_dir = "{cni_conf}"
    max_conf_num = 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonPaths:
    """Where a containerd keeps what. The defaults are its own, which it has on a node."""

    root: str = "/var/lib/containerd"
    state: str = "/run/containerd"
    socket: str = "/run/containerd/containerd.sock"
    opt: str = "/var/lib/containerd/opt"
    runc: str = "/run/containerd/runc"
    cni_bin: str = "/opt/cni/bin"
    cni_conf: str = "/etc/cni/net.d"
    netns_below_state: str = "false"

    @classmethod
    def below(cls, folder: Path) -> DaemonPaths:
        """All in one folder, the namespaces of sandboxes included."""
        return cls(
            root=f"{folder}/root",
            state=f"{folder}/state",
            socket=f"{folder}/c.sock",
            opt=f"{folder}/opt",
            runc=f"{folder}/runc",
            cni_bin=f"{folder}/cni/bin",
            cni_conf=f"{folder}/cni/net.d",
            netns_below_state="true",
        )


def daemon_config(paths: DaemonPaths) -> str:
    """The text of containerd's configuration file."""
    return _TEMPLATE.format(**asdict(paths), pause=PAUSE_IMAGE)


def bridge_plugin(folder: Path, bridge: str, subnet: str) -> dict[str, Any]:
    """The primary network of Pods: a bridge in the node's namespace, addresses of `subnet` written down in `folder`."""
    return {
        "type": "bridge",
        "bridge": bridge,
        "isGateway": True,
        "ipMasq": False,
        "mtu": MTU,
        "ipam": {
            "type": "host-local",
            "dataDir": str(folder / "ipam"),
            "ranges": [[{"subnet": subnet}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }


def conflist(name: str, plugins: Sequence[Mapping[str, Any]]) -> str:
    """The text of a list of CNI plugins."""
    return json.dumps({"cniVersion": "1.0.0", "name": name, "plugins": list(plugins)}, indent=1)
