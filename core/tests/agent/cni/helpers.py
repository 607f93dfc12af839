"""An attacher that remembers what it was asked, calls of the real plugin, and raw calls without it."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from secnet.agent.cni._calls import Answer
from secnet.agent.cni._service import CniService
from secnet.agent.cni._wire import RawCall
from secnet.agent.cni.interface import Attached, RecordedAttachment, RuntimeConfig, SandboxCall
from secnet.contract import Cancelled, ErrorInfo, Finding, LeaseAddress

ARGS = (
    "K8S_POD_UID=uid-1;IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=c1;NEW=1"
)
PREVIOUS = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "eth0", "sandbox": "/run/netns/x"}],
    "own": {"a": [1.5, "}"]},
}
MADE = Attached(ifname="net1", mac="02:00:00:00:00:01", mtu=1400, addresses=(LeaseAddress(address="10.0.0.5/24"),))


class ToyAttacher:
    """The agent's work is done elsewhere; here it is what the calls lead to that counts."""

    def __init__(self) -> None:
        self.ready = True
        self.made: set[tuple[str, ...]] = set()
        self.asked: list[Any] = []
        self.error: Exception | None = None
        self.findings: Sequence[Finding] = ()
        self.records: list[RecordedAttachment] = []
        self.why: ErrorInfo | None = None
        self.result = MADE
        self.living: set[str] = set()
        self.broken: dict[str, Exception] = {}
        self.on_attach: Callable[[threading.Event], None] = lambda cancel: None

    def attach_pod(self, sandbox: SandboxCall, cancel: threading.Event) -> Sequence[Attached]:
        self._attach((sandbox.container_id,), sandbox, cancel)
        return [self.result]

    def attach_one(
        self,
        sandbox: SandboxCall,
        conf: Mapping[str, Any],
        ifname: str,
        runtime: RuntimeConfig,
        cancel: threading.Event,
    ) -> Attached:
        self._attach((sandbox.container_id, ifname, str(conf["name"])), (sandbox, conf, ifname, runtime), cancel)
        return self.result

    def _attach(self, key: tuple[str, ...], asked: Any, cancel: threading.Event) -> None:
        self.asked.append(asked)
        if self.error:
            raise self.error
        self.made.add(key)
        try:
            self.on_attach(cancel)
        except Cancelled:
            self.made.discard(key)
            raise

    def detach_sandbox(self, container_id: str) -> None:
        self._detach((container_id,))

    def detach_one(self, container_id: str, ifname: str, network: str) -> None:
        self._detach((container_id, ifname, network))

    def _detach(self, key: tuple[str, ...]) -> None:
        self.asked.append(key)
        if key[0] in self.broken:
            raise self.broken[key[0]]
        self.made.discard(key)

    def has_ended(self, container_id: str) -> bool:
        return container_id not in self.living

    def check_sandbox(self, container_id: str) -> Sequence[Finding]:
        return self.findings

    def check_one(self, container_id: str, ifname: str, network: str, result: Mapping[str, Any]) -> Sequence[Finding]:
        return self.findings

    def recorded(self) -> Sequence[RecordedAttachment]:
        return self.records

    def status(self) -> ErrorInfo | None:
        return self.why


def environment(command: str, **changes: str | None) -> dict[str, str]:
    """The variables of a call; None leaves one out."""
    found: dict[str, str | None] = {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": "/run/netns/x",
        "CNI_IFNAME": "eth0",
        "CNI_ARGS": ARGS,
        "CNI_PATH": "/opt/cni/bin:/usr/lib/cni",
    }
    return {key: value for key, value in (found | changes).items() if value is not None}


def conf(**changes: Any) -> dict[str, Any]:
    """The configuration of the plugin in a chain; None leaves a key out."""
    found = {"cniVersion": "1.0.0", "name": "cluster", "type": "secnet-cni", "prevResult": PREVIOUS} | changes
    return {key: value for key, value in found.items() if value is not None}


def handed(annotations: Mapping[str, str] | None, **changes: Any) -> dict[str, Any]:
    """As `conf`, by a runtime that hands the Pod's annotations."""
    return conf(runtimeConfig={"io.kubernetes.cri.pod-annotations": annotations}, **changes)


def single(**changes: Any) -> dict[str, Any]:
    """The configuration of one network."""
    own = {"name": "blue", "type": "secnet", "prevResult": None, "networkType": "toy"}
    return conf(**(own | changes))


def raw(command: str, configuration: Any, **changes: str | None) -> RawCall:
    """A call as the server reads it."""
    stdin = configuration if isinstance(configuration, bytes) else json.dumps(configuration).encode()
    variables = tuple(f"{key}={value}".encode() for key, value in environment(command, **changes).items())
    return RawCall(environment=variables, stdin=stdin)


def ask(service: CniService, command: str, configuration: Any, **changes: str | None) -> Answer:
    """The service's answer to a call whose caller stays."""
    return service.answer(raw(command, configuration, **changes), threading.Event())


class Plugin:
    """The compiled program in a directory of its own, with the way to a socket beside it."""

    def __init__(self, program: Path, directory: Path) -> None:
        self.path = directory / "secnet-cni"
        self.socket = directory / "run/cni.sock"
        self.socket.parent.mkdir(mode=0o700)
        os.link(program, self.path)
        (directory / "secnet-cni.sock").symlink_to(self.socket)

    def start(self, command: str, configuration: Any, **changes: str | None) -> subprocess.Popen[bytes]:
        """The program at work, with its whole stdin given."""
        process = subprocess.Popen(
            [self.path],
            env=environment(command, **changes),
            cwd=self.path.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin
        with suppress(BrokenPipeError):  # it does not read what it will not take
            process.stdin.write(
                configuration if isinstance(configuration, bytes) else json.dumps(configuration).encode()
            )
            process.stdin.flush()
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdin = None
        return process

    def run(self, command: str, configuration: Any, **changes: str | None) -> tuple[int, str]:
        """Exit status and stdout."""
        process = self.start(command, configuration, **changes)
        out, _ = process.communicate(timeout=60)
        return process.returncode, out.decode()

    def call(self, command: str, configuration: Any, **changes: str | None) -> tuple[int, Any]:
        """Exit status, and stdout as JSON; None when nothing is printed."""
        status, out = self.run(command, configuration, **changes)
        return status, json.loads(out) if out else None


def code(answer: Any) -> int | None:
    assert answer.failed == (answer.status != 0)
    return answer.result["code"] if answer.failed else None


RECORDS = [
    RecordedAttachment(container_id="lives", ifname="net1", network="ns/red", chained=True),
    RecordedAttachment(container_id="dead", ifname="net1", network="ns/red", chained=True),
    RecordedAttachment(container_id="dead", ifname="net2", network="ns/red", chained=True),
    RecordedAttachment(container_id="watched", ifname="net1", network="ns/red"),
    RecordedAttachment(container_id="lives", ifname="net5", network="blue"),
    RecordedAttachment(container_id="lives", ifname="net6", network="blue"),
    RecordedAttachment(container_id="dead", ifname="net6", network="blue"),
    RecordedAttachment(container_id="dead", ifname="net7", network="green"),
    RecordedAttachment(container_id="dead", ifname="net8", network="blue", chained=True),
]


def valid(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"cni.dev/valid-attachments": [{"containerID": cid, "ifname": ifname} for cid, ifname in pairs]}


RUNTIME = {
    "mac": "02-00-00-00-00-AA",
    "ips": ["10.0.0.5/24", "2001:DB8::1"],
    "bandwidth": {"ingressRate": 1000, "ingressBurst": 10, "egressRate": 0, "egressBurst": 0},
    "portMappings": [{"hostPort": 80, "containerPort": 8080, "protocol": "TCP"}],
    "infinibandGUID": "00:11:22:33:44:55:66:77",
    "CNIDeviceInfoFile": "/var/run/k8s.cni.cncf.io/devinfo/cni/x",
    "io.kubernetes.cri.pod-annotations": {"a": "b"},
}

SYSTEM = "K8S_POD_NAMESPACE=kube-system;K8S_POD_NAME=dns"
