"""A node of a test cluster: namespaces with a containerd, a kubelet and an Open vSwitch of their own.

What a machine has of its own (mounts, processes, network, host name) the node has too; the kernel is shared, and so are the
programs. A power cut ends its first process and its network; its disks stay.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
from secnet_conformance.netns import Namespace, new_namespace, remove_namespace, run_in

from ..ending import ending_with_us
from ..runtime.config import DaemonPaths, bridge_plugin, conflist, daemon_config
from ..runtime.cri import RuntimeCalls, messages
from ..runtime.daemon import CGROUPS, until
from .cgroups import hierarchies, remove_cgroups
from .control_plane import ADDRESS, FABRIC, NODES, ControlPlane

__all__ = ["ClusterNode", "Sandbox"]

_INIT = Path(__file__).with_name("node_init.sh")
UPLINK = "eth1"
"""The link to the fabric, which the secondary bridge takes."""
# To which bridge of the fabric each link leads, and how its MAC address begins.
_LINKS = {"eth0": (NODES, "02:00:0a:63:00"), UPLINK: (FABRIC, "02:00:0a:64:00")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A Pod's sandbox: its id, and where its network namespace is mounted on the node."""

    id: str
    netns: str


class ClusterNode:
    """Made stopped. index: from 1, by which its addresses differ. images: archives that its runtime loads when it starts."""

    def __init__(self, plane: ControlPlane, kube: Path, index: int, images: Iterable[Path]) -> None:
        self.name = f"n{index}"
        self.address = f"10.99.0.{10 + index}"
        self.folder = plane.folder / self.name
        self._plane, self._kube, self._index = plane, kube, index
        self._namespace: Namespace | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._init = 0
        self._cgroup = f"{plane.namespace.name}-{self.name}"
        for part in ("disk", "etc", "log", "images"):
            (self.folder / part).mkdir(parents=True)
        for image in images:
            (self.folder / "images" / image.name).symlink_to(image)
        plane.pki.kubeconfig(
            self.name, f"/O=system:nodes/CN=system:node:{self.name}", [f"DNS:{self.name}", f"IP:{self.address}"]
        )
        self._configure()

    @property
    def running(self) -> bool:
        """Whether it is switched on."""
        return self._process is not None and self._process.poll() is None

    @property
    def root(self) -> Path:
        """Its file system, as this process sees it while the node runs."""
        return Path(f"/proc/{self._init}/root")

    def start(self) -> None:
        """Switch it on. The caller waits until Kubernetes says that it is Ready."""
        assert not self.running
        self._plug_in()
        self._make_cgroups()
        assert self._namespace is not None
        argv = [
            *ending_with_us(),
            *("nsenter", f"--net={self._namespace.path}", "--"),
            *(
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "--pid",
                "--uts",
                "--ipc",
                "--fork",
                "--kill-child=KILL",
            ),
            *(str(_INIT), self.name, str(self.folder), str(self._kube)),
            f"--config={self.folder / 'etc/kubelet.json'}",
            f"--kubeconfig={self._plane.pki.file(f'{self.name}.kubeconfig')}",
            *(f"--hostname-override={self.name}", f"--node-ip={self.address}", "--root-dir=/var/lib/kubelet"),
        ]
        with (self.folder / "log/init.log").open("ab") as log:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        until(self._find_init, f"{self.name} has a first process")

    def crash(self) -> None:
        """Cut its power: every process and every link is gone, nothing is written to a disk any more."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.kill(self._init, signal.SIGKILL)
        self._process.wait()
        if self._namespace is not None:
            # Its links go with it, but some time later: their other ends are removed at once.
            for link in _LINKS:
                run_in(self._plane.namespace, ["ip", "link", "delete", f"{self.name}-{link}"], check=False)
            remove_namespace(self._namespace)
        remove_cgroups(self._cgroup)

    def close(self) -> None:
        """Switch it off for good. Its disks stay in the cluster's folder."""
        if self._process is not None:
            self.crash()

    def run(self, *argv: str, check: bool = True, timeout: float = 60) -> str:
        """Run a program on the node; what it printed. AssertionError with its messages if it fails, unless `check` is false."""
        done = subprocess.run(
            ["nsenter", "-t", str(self._init), "-m", "-p", "-n", "-u", "-i", "--", *argv],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, f"{self.name}: {' '.join(argv)}: {done.stderr or done.stdout}"
        return done.stdout

    def hold(self, daemon: str) -> None:
        """Keep kubelet, containerd, ovsdb-server or ovs-vswitchd from being started again; it is killed now."""
        (self.folder / f"hold-{daemon}").touch()
        self.kill(daemon)

    def release(self, daemon: str) -> None:
        """Let it be started again."""
        (self.folder / f"hold-{daemon}").unlink()

    def kill(self, daemon: str) -> None:
        """SIGKILL to a daemon of the node. It is started again at once unless it is held."""
        for pid in self.pids(daemon):
            self.run("kill", "-9", str(pid), check=False)

    def restart(self, daemon: str) -> None:
        """SIGKILL to a daemon (the agent: `secnet`), and wait until another process has taken its place."""
        before = self.pids(daemon)
        assert before, f"{daemon} does not run on {self.name}"
        self.kill(daemon)
        until(lambda: bool(set(self.pids(daemon)) - set(before)), f"{daemon} runs again on {self.name}", within=120)

    def pids(self, daemon: str) -> list[int]:
        """The processes of a daemon, in the node's numbers. The agent is `secnet`."""
        wanted = {"kubelet": f"{self._kube} kubelet", "secnet": "secnet agent"}.get(daemon, daemon)
        lines = [line.split(None, 1) for line in self.run("ps", "-eo", "pid=,args=").splitlines()]
        found = [(int(pid), f" {args} ") for pid, args in lines if "node_init" not in args]
        return [pid for pid, args in found if any(f"{before}{wanted} " in args for before in " /")]

    def sandboxes(self) -> dict[str, Sandbox]:
        """The ready sandboxes with a network namespace of their own, by `NAMESPACE/NAME` of the Pod.

        AssertionError while the runtime does not answer.
        """
        try:
            with closing(RuntimeCalls(self.root / "run/containerd/containerd.sock")) as calls:
                return dict(_own_networks(calls))
        except grpc.RpcError as exc:
            raise AssertionError(f"the runtime of {self.name} does not answer: {exc}") from exc

    def write(self, path: str, text: str) -> None:
        """Put a text file onto the node, by rename."""
        target = self.root / path.lstrip("/")
        part = target.with_name(f".{target.name}.part")
        part.write_text(text, encoding="utf-8")
        part.rename(target)

    def read(self, path: str) -> str:
        """The text of a file on the node."""
        return self.run("cat", path)

    def agent_log(self) -> str:
        """What the agents on this node wrote, all containers in turn."""
        return self.run("sh", "-c", "cat /var/log/pods/secnet-system_secnet-agent-*/agent/*.log", check=False)

    def _find_init(self) -> bool:
        assert self._process is not None
        assert self.running, f"see {self.folder / 'log/init.log'}"
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        self._init = int(children[0]) if children else 0
        return bool(children)

    def _plug_in(self) -> None:
        """Make its network: eth0 for Kubernetes and eth1 for the fabric."""
        plane = self._plane.namespace
        node = self._namespace = new_namespace(f"{plane.name.removesuffix('-cp')}-{self.name}")
        for link, (bridge, prefix) in _LINKS.items():
            outer = f"{self.name}-{link}"
            # A card keeps its address when its machine is switched off.
            peer = ["peer", "name", link, "address", f"{prefix}:{10 + self._index:02x}", "netns", node.name]
            run_in(plane, ["ip", "link", "add", outer, "type", "veth", *peer])
            run_in(plane, ["ip", "link", "set", outer, "master", bridge, "up"])
            run_in(node, ["ip", "link", "set", link, "up"])
        run_in(node, ["ip", "address", "add", f"{self.address}/24", "dev", "eth0"])
        run_in(node, ["ip", "route", "add", "default", "via", ADDRESS])
        run_in(node, ["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
        run_in(plane, ["ip", "route", "replace", f"10.244.{self._index}.0/24", "via", self.address])

    def _make_cgroups(self) -> None:
        for hierarchy in hierarchies():
            cgroup = hierarchy / self._cgroup
            cgroup.mkdir(exist_ok=True)
            for setting in ("cpuset.cpus", "cpuset.mems"):  # with version 1 a new cpuset has none
                if hierarchy != CGROUPS and (cgroup / setting).exists():
                    (cgroup / setting).write_text((hierarchy / setting).read_text())

    def _configure(self) -> None:
        etc, pki = self.folder / "etc", self._plane.pki
        (etc / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        bridge = bridge_plugin(Path("/var/lib/cni"), "cni0", f"10.244.{self._index}.0/24")
        portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
        (etc / "10-bridge.conflist").write_text(conflist("pods", [bridge, portmap]))
        (etc / "containerd.toml").write_text(daemon_config(DaemonPaths()))
        kubelet = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(pki.file("ca.crt"))},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pki.file(f"{self.name}.crt")),
            "tlsPrivateKeyFile": str(pki.file(f"{self.name}.key")),
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._cgroup}",
            "failSwapOn": False,
            "failCgroupV1": False,
            "staticPodPath": "/etc/kubernetes/manifests",
            "oomScoreAdj": 0,
            "resolvConf": "",
            "clusterDomain": "cluster.local",
            "clusterDNS": ["10.96.0.10"],
            "serializeImagePulls": False,
            "nodeStatusUpdateFrequency": "5s",
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi"},
            "makeIPTablesUtilChains": False,
        }
        (etc / "kubelet.json").write_text(json.dumps(kubelet))


def _own_networks(calls: RuntimeCalls) -> Iterator[tuple[str, Sandbox]]:
    for each in calls.list():
        if each.state == messages.SANDBOX_READY:
            info = json.loads(calls.status(each.id).info["info"])
            spaces = {space["type"]: space.get("path") for space in info["runtimeSpec"]["linux"]["namespaces"]}
            if netns := spaces.get("network"):
                yield f"{each.metadata.namespace}/{each.metadata.name}", Sandbox(id=each.id, netns=netns)
