"""A private container runtime as a kubelet drives it: real sandboxes, containers and CNI plugins."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import uuid as uuids
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from secnet_conformance.needs import requires_command, requires_link_kind, requires_root
from secnet_conformance.netns import Namespace, new_namespace, remove_namespace

from .config import bridge_plugin, conflist
from .cri import RuntimeCalls, messages
from .daemon import Containerd, remove_folder, unmount, until
from .images import BUSYBOX_IMAGE, sandbox_archive
from .state import Exec, PodSandbox, SandboxState

__all__ = ["Runtime", "play_runtime"]

SUBNET = "10.222.0.0/24"
_PLUGINS = Path("/usr/lib/cni")
_CNI_RESULTS = Path("/var/lib/cni/results")  # libcni keeps each result there; containerd has no setting for it
_SOURCE = "kubernetes.io/config.source"
_SLEEP = ("/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done")


class Runtime:
    """See the module. Made by `play_runtime` or the fixtures, which take everything away again. Thread-safe.

    namespace: plays the node. socket: where the runtime answers. cni_bin, cni_conf: folders of its CNI plugins and of their
    configuration. network: the name of the Pods' primary network.
    """

    def __init__(self, namespace: Namespace, folder: Path, *, subnet: str = SUBNET) -> None:
        tag = f"sn-{secrets.token_hex(4)}"
        self.namespace = namespace
        self.folder = folder
        self.network = tag
        self.cni_bin, self.cni_conf = folder / "cni/bin", folder / "cni/net.d"
        self._bridge = bridge_plugin(folder, "sncni0", subnet)
        for path in (self.cni_bin, self.cni_conf):
            path.mkdir(parents=True)
        for plugin in _PLUGINS.iterdir():
            (self.cni_bin / plugin.name).symlink_to(plugin)
        self.chain()
        self._daemon = Containerd(folder, namespace, tag)
        self.socket = self._daemon.socket
        self._calls = RuntimeCalls(self.socket)
        self._lock = threading.Lock()
        self._configs: dict[str, messages.SandboxConfig] = {}
        self._containers: dict[str, dict[str, str]] = {}

    # The daemon

    @property
    def running(self) -> bool:
        """Whether containerd has not ended."""
        return self._daemon.running

    @property
    def log(self) -> str:
        """What containerd wrote so far."""
        return self._daemon.log

    def start(self) -> None:
        """Start containerd and wait until it makes sandboxes."""
        self._daemon.start()
        until(self._answers, "containerd answers")

    def kill(self) -> None:
        """End containerd with SIGKILL. Sandboxes live on; every call is refused until `start`."""
        self._daemon.kill()

    def restart(self) -> None:
        """SIGKILL, and start again."""
        self.kill()
        self.start()

    def load_images(self) -> None:
        """Give the running containerd the images for sandboxes and containers."""
        file = self.folder / "images.tar"
        file.write_bytes(sandbox_archive())
        argv = ["ctr", "--address", str(self.socket), "--namespace", "k8s.io", "images", "import", str(file)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
        file.unlink()

    def close(self) -> None:
        """Remove all sandboxes, end containerd and whatever is left of it."""
        try:
            if self._daemon.running:
                self.clear()
        finally:
            self._calls.close()
            self._daemon.close()
            for name in (f"{self.network}-*", *(f"cni-loopback-{sandbox}-*" for sandbox in self._configs)):
                for result in _CNI_RESULTS.glob(name):
                    result.unlink()

    # CNI plugins

    def chain(self, *plugins: Mapping[str, Any], name: str = "10-primary.conflist") -> None:
        """Write the list of CNI plugins: the bridge and these after it. Sandboxes made from now on use it.

        containerd sees a changed folder by itself, but not at once: a test waits by what its sandboxes show, or restarts it.
        """
        text = conflist(self.network, [self._bridge, *plugins])
        temporary = self.cni_conf / f".{name}"
        temporary.write_text(text, encoding="utf-8")
        temporary.rename(self.cni_conf / name)

    def add_recorder(self) -> Path:
        """Put a plugin of the type `sn-recorder` beside the others; the file in which it records how it is called from now on."""
        calls = self.folder / "recorded"
        calls.write_bytes(b"")
        program = Path(__file__).with_name("recorder.py")
        script = f"#!/bin/sh\nSN_RECORD={calls} exec {sys.executable} -IS {program}\n"
        (self.cni_bin / "sn-recorder").write_text(script, encoding="utf-8")
        (self.cni_bin / "sn-recorder").chmod(0o755)
        return calls

    def primary_addresses(self) -> frozenset[str]:
        """The addresses of the primary network that its IPAM plugin holds: a file each."""
        folder = self.folder / "ipam" / self.network
        names = os.listdir(folder) if folder.is_dir() else []
        return frozenset(name for name in names if name[0].isdigit())

    # Sandboxes

    def run_pod(
        self,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        annotations: Mapping[str, str] | None = None,
        attempt: int = 0,
        host_network: bool = False,
        source: str = "api",
    ) -> str:
        """Make a sandbox as the kubelet does; its id. source: where the kubelet has the Pod from (`file`: a static Pod).

        A failure is the runtime's `grpc.RpcError`; no sandbox is left then.
        """
        uid = uid or str(uuids.uuid4())
        label = "io.kubernetes.pod"
        modes = messages.NamespaceOption(
            network=messages.NODE if host_network else messages.POD, pid=messages.CONTAINER
        )
        config = messages.SandboxConfig(
            metadata=messages.Metadata(name=name, uid=uid, namespace=namespace, attempt=attempt),
            hostname="" if host_network else name,
            log_directory=str(self.folder / f"logs/{namespace}_{name}_{uid}"),
            labels={f"{label}.name": name, f"{label}.namespace": namespace, f"{label}.uid": uid},
            annotations={**(annotations or {}), _SOURCE: source},
            linux=messages.LinuxConfig(
                cgroup_parent=f"/{self._daemon.cgroup}",
                security_context=messages.SandboxSecurityContext(namespace_options=modes),
            ),
        )
        sandbox = self._calls.run(config)
        with self._lock:
            self._configs[sandbox] = config
            self._containers[sandbox] = {}
        return sandbox

    def stop_pod(self, sandbox: str) -> None:
        """End a sandbox; the runtime still knows it."""
        self._calls.stop(sandbox)

    def remove_pod(self, sandbox: str) -> None:
        """End and forget a sandbox. May be repeated."""
        try:
            self._calls.stop(sandbox)
            self._calls.remove(sandbox)
        except grpc.RpcError as exc:
            # The interface wants success for a sandbox that is gone; containerd 1.6 refuses to stop one.
            if not isinstance(exc, grpc.Call) or exc.code() is not grpc.StatusCode.NOT_FOUND:
                raise
        with self._lock:
            self._configs.pop(sandbox, None)
            self._containers.pop(sandbox, None)

    def state(self, sandbox: str) -> SandboxState:
        """A sandbox as it is now. `grpc.RpcError` NOT_FOUND if there is none."""
        answer = self._calls.status(sandbox)
        info = json.loads(answer.info["info"])
        spaces = info["runtimeSpec"]["linux"]["namespaces"]
        network = answer.status.network
        return SandboxState(
            id=sandbox,
            ready=answer.status.state == messages.SANDBOX_READY,
            pid=info["pid"],
            netns=next((space.get("path") for space in spaces if space["type"] == "network"), None),
            addresses=tuple(filter(None, (network.ip, *(more.ip for more in network.additional_ips)))),
        )

    def sandboxes(self) -> dict[str, bool]:
        """The ids of all sandboxes, and whether they live."""
        return {each.id: each.ready for each in self.pods()}

    def pods(self) -> tuple[PodSandbox, ...]:
        """All sandboxes with whose they are."""
        return tuple(
            PodSandbox(
                id=each.id,
                namespace=each.metadata.namespace,
                name=each.metadata.name,
                uid=each.metadata.uid,
                attempt=each.metadata.attempt,
                ready=each.state == messages.SANDBOX_READY,
                static=each.annotations.get(_SOURCE) == "file",
            )
            for each in self._calls.list()
        )

    def kill_pause(self, sandbox: str) -> None:
        """Kill the process of a sandbox and wait until the runtime has seen it."""
        pid = self.state(sandbox).pid
        assert pid > 1
        os.kill(pid, signal.SIGKILL)
        until(lambda: not self.state(sandbox).ready, "the runtime sees that a sandbox ended")

    def unmount(self, path: str) -> None:
        """Take a sandbox's namespace from its path, as a mishap on the node would."""
        assert path.startswith(f"{self.folder}/")
        unmount(path)

    def clear(self) -> None:
        """Remove all sandboxes."""
        for sandbox in self.sandboxes():
            self.remove_pod(sandbox)

    # Containers

    def start_container(
        self, sandbox: str, name: str = "main", *, image: str = BUSYBOX_IMAGE, command: Sequence[str] = _SLEEP
    ) -> str:
        """Run a container in a sandbox of this runtime; its id. It goes with the sandbox."""
        with self._lock:
            pod = self._configs[sandbox]
        config = messages.ContainerConfig(
            metadata=messages.ContainerMetadata(name=name),
            image=messages.ImageSpec(image=image),
            command=command,
            log_path=f"{name}.log",
        )
        request = messages.CreateContainerRequest(pod_sandbox_id=sandbox, config=config, sandbox_config=pod)
        container = self._calls.create_container(request)
        self._calls.start_container(container)
        with self._lock:
            self._containers[sandbox][name] = container
        return container

    def containers(self, sandbox: str) -> dict[str, str]:
        """The ids of the containers that were started in a sandbox, by name."""
        with self._lock:
            return dict(self._containers.get(sandbox, {}))

    def exec(self, container: str, *argv: str, timeout: int = 20) -> Exec:
        """Run a program in a container and wait for its end."""
        answer = self._calls.exec(container, argv, timeout)
        return Exec(code=answer.exit_code, stdout=answer.stdout.decode(), stderr=answer.stderr.decode())

    def _answers(self) -> bool:
        assert self._daemon.running, f"containerd ended at its start: {self.log}"
        try:
            conditions = self._calls.conditions()
        except grpc.RpcError:
            return False
        return conditions.get("RuntimeReady", False) and conditions.get("NetworkReady", False)


@contextmanager
def play_runtime(namespace: Namespace | None = None, **options: Any) -> Iterator[Runtime]:
    """A running runtime in a node's namespace (None: in a new one), taken away at the end. options: see `Runtime`."""
    requires_root()
    requires_command("containerd", "ctr", "runc", "gcc", "busybox", "nsenter", "ip")
    requires_link_kind("veth", "bridge")
    if not (_PLUGINS / "bridge").exists():
        pytest.skip(f"needs the CNI plugins in {_PLUGINS}")
    with ExitStack() as stack:
        if namespace is None:
            namespace = new_namespace()
            stack.callback(remove_namespace, namespace)
        # Not below a test's folder: the paths of sockets have 107 characters at most.
        folder = Path(tempfile.mkdtemp(prefix="sn-ctd-"))
        stack.callback(remove_folder, folder)
        runtime = Runtime(namespace, folder, **options)
        stack.callback(runtime.close)
        runtime.start()
        runtime.load_images()
        yield runtime
