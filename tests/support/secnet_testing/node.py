"""A whole node for tests: a namespace with a private Open vSwitch, Pods beside it, and the real `secnet` inside.

A pytest plugin; the root conftest.py loads it. Tests change objects by manifests (`put`) or through the store, as
`secnet apply` does, and look at reports, records, kernel and switch.
"""

from __future__ import annotations

import functools
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from secnet.agent.cluster.files.store import FileStore
from secnet.agent.model.record import Record
from secnet.agent.model.report import PodReport
from secnet.agent.state.journal import Journal
from secnet.agent.state.reports import Reports
from secnet.contract import ObjectNotFound
from secnet_conformance.forkserver import Entry
from secnet_conformance.needs import requires_command, requires_link_kind, requires_root

from .agent_process import READY_SECONDS, AgentProcess
from .netns import Namespace, run_in
from .ovs import PrivateOvs
from .secnet_command import SECNET, run_secnet

__all__ = ["BRIDGE", "Node", "NodeFactory", "is_ours", "node", "node_factory", "play_node"]

BRIDGE = "br-secondary"
OVS_COMMANDS = ("ovsdb-server", "ovs-vswitchd", "ovsdb-tool", "ovsdb-client", "ovs-vsctl", "ovs-appctl")
STATUS = "k8s.v1.cni.cncf.io/network-status"
_POLL_SECONDS = 0.01


class Node:
    """See the module. Made by `play_node` or the fixtures, which take everything away again.

    namespace: plays the node. ovs: its switch. config: path of the node configuration. run_dir, state_dir, manifests: the
    directories it names. agents: every agent process that was started here, the last one last. slowness: how many times as
    long as elsewhere all may take.
    """

    slowness = 1

    def __init__(self, namespace: Namespace, ovs: PrivateOvs, folder: Path, settings: dict[str, Any]) -> None:
        self.namespace = namespace
        self.ovs = ovs
        self.folder = folder
        self.run_dir, self.state_dir, self.manifests = folder / "run", folder / "state", folder / "manifests"
        self.config = folder / "node.yaml"
        self.agents: list[AgentProcess] = []
        self._pods: dict[str, Namespace] = {}
        self._stack = ExitStack()
        self.manifests.mkdir()
        self.configure(**settings)

    def configure(self, **settings: Any) -> None:
        """Write the node configuration: what a test needs, with these keys replaced or added (None takes one out)."""
        content: dict[str, Any] = {
            "nodeName": "node-1",
            "runDir": str(self.run_dir),
            "stateDir": str(self.state_dir),
            "manifests": str(self.manifests),
            "ovsdb": self.ovs.target,
            "datapathType": "netdev",
            "ovsBridges": [{"bridgeName": BRIDGE}],
            "log": {"level": "debug"},
            "workers": {"count": 4, "attachTimeout": 20, "checkInterval": 60, "drainSeconds": 5},
            **settings,
        }
        text = yaml.safe_dump({key: value for key, value in content.items() if value is not None})
        self.config.write_text(text, encoding="utf-8")

    @property
    def store(self) -> FileStore:
        """The live objects, as another process sees and changes them."""
        return FileStore(self.state_dir)

    # Processes

    def agent(self, *, program: Sequence[str] | Entry = SECNET, ready: bool = True) -> AgentProcess:
        """Start `secnet agent` and wait until it says that it is ready.

        program: another entry point, such as the killable one, or the words of a command line in place of `secnet`, which
        then is started as such. ready: False does not wait.
        """
        arguments, log = ["agent", "--config", str(self.config)], self.folder / f"agent-{len(self.agents) + 1}.log"
        if isinstance(program, Entry):
            process = AgentProcess.fork(program, arguments, log, self.namespace.path)
        else:
            process = AgentProcess.run([*self._entering(), *program, *arguments], log)
        self.agents.append(process)
        if ready:
            process.wait_started(within=self.slowness * READY_SECONDS)
        return process

    def stop(self) -> None:
        """Stop the running agent with SIGTERM and wait for its end; nothing if none runs. It must end by itself."""
        for process in self.agents:
            if process.running:
                process.stop()

    def cli(self, *args: str | Path, timeout: float = 90) -> subprocess.CompletedProcess[str]:
        """Run `secnet COMMAND ... --config FILE` inside the node; the caller looks at the exit code."""
        return run_secnet(*args, "--config", self.config, timeout=self.slowness * timeout, netns=self.namespace.path)

    def status(self) -> dict[str, Any]:
        """What `secnet status --json` prints."""
        done = self.cli("status", "--json")
        assert done.stdout, f"secnet status failed ({done.returncode}): {done.stderr}"
        content: dict[str, Any] = json.loads(done.stdout)
        return content

    # Pods and manifests

    def pod(self, name: str) -> Namespace:
        """The network namespace of a Pod, made when first asked for. Its path goes to the annotation `secnet.io/netns`."""
        if name not in self._pods:
            self._pods[name] = self._stack.enter_context(_namespace())
        return self._pods[name]

    def delete_pod_namespace(self, name: str) -> None:
        """Remove a Pod's namespace; `pod(name)` then makes a new one."""
        run_in(None, ["ip", "netns", "del", self._pods.pop(name).name])

    @property
    def pods(self) -> dict[str, Namespace]:
        """The Pods' namespaces by Pod name."""
        return dict(self._pods)

    def put(self, name: str, text: str) -> Path:
        """Write a manifest file as one step, as an editor or a configuration tool would; returns its path."""
        path = self.manifests / name
        temporary = self.manifests / f".{name}.new"
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
        return path

    def remove(self, name: str) -> None:
        """Remove a manifest file."""
        (self.manifests / name).unlink()

    # What became of it

    def report(self, pod: str, namespace: str = "default") -> PodReport | None:
        """The agent's report of a Pod, None without one."""
        found = (r for r in Reports(self.run_dir).pods() if (r.pod.namespace, r.pod.name) == (namespace, pod))
        return next(found, None)

    def records(self) -> tuple[Record, ...]:
        """The journal."""
        return Journal.peek(self.run_dir / "journal")

    def network_status(self, pod: str, namespace: str = "default") -> list[dict[str, Any]]:
        """The Pod's network-status annotation; empty without one."""
        meta = self.store.get("Pod", pod, namespace)["metadata"]
        entries: list[dict[str, Any]] = json.loads((meta.get("annotations") or {}).get(STATUS) or "[]")
        return entries

    def wait_until(self, condition: Callable[[], object], what: str, *, within: float = 30) -> None:
        """Wait until the condition is true. Fails with `what`, and with the agent's log."""
        deadline = time.monotonic() + self.slowness * within
        while not condition():
            assert time.monotonic() < deadline, f"not within {within:g} s: {what}\n{self.logs()}"
            time.sleep(_POLL_SECONDS)

    def wait_attached(self, *pods: str, within: float = 30) -> None:
        """Wait until each Pod's networks are attached as its object says now, found so by the agent that runs now."""
        for pod in pods:
            self.wait_until(functools.partial(self._is_attached, pod), f"Pod {pod} attached", within=within)

    def wait_detached(self, *pods: str, within: float = 30) -> None:
        """Wait until nothing is recorded, reported or shown in the status of these Pods, which may be gone themselves."""
        for pod in pods:
            self.wait_until(functools.partial(self._is_detached, pod), f"Pod {pod} detached", within=within)

    def logs(self) -> str:
        """The last lines of each agent's log."""
        return "\n".join(f"--- {process.log.name}\n{process.tail()}" for process in self.agents[-2:])

    def _is_attached(self, pod: str) -> bool:
        report = self.report(pod)
        if report is None or not report.networks or not report.attached or not self._is_fresh(report):
            return False
        try:
            return report.generation >= int(self.store.get("Pod", pod, "default")["metadata"]["generation"])
        except ObjectNotFound:
            return False

    def is_reported_again(self, pod: str) -> bool:
        """Whether the agent that runs now has reported about the Pod."""
        report = self.report(pod)
        return report is not None and self._is_fresh(report)

    def _is_fresh(self, report: PodReport) -> bool:
        """Whether the agent that runs now wrote it."""
        running = [process for process in self.agents if process.running]
        try:
            written = (self.run_dir / "reports" / f"{report.pod.uid}.json").stat().st_mtime
        except FileNotFoundError:
            return False
        return not running or written >= running[-1].started

    def _is_detached(self, pod: str) -> bool:
        report = self.report(pod)
        if (report is not None and report.networks) or any(r.pod and r.pod.name == pod for r in self.records()):
            return False
        try:
            return not [entry for entry in self.network_status(pod) if is_ours(entry)]
        except ObjectNotFound:
            return report is None

    def _entering(self) -> list[str]:
        return ["nsenter", f"--net={self.namespace.path}", "--"]

    def end_agents(self) -> None:
        """End every agent at once, however it is."""
        for process in self.agents:
            process.kill()

    def close(self) -> None:
        """End every agent at once and remove the Pods' namespaces."""
        self.end_agents()
        for name, namespace in list(self._pods.items()):
            if not os.path.exists(namespace.path):
                del self._pods[name]
        self._stack.close()


def is_ours(entry: dict[str, Any]) -> bool:
    """Whether an entry of network-status is of one of our networks: not another writer's, nor the default network's."""
    return "secnet.io/owner" in entry and not entry["default"]


@contextmanager
def _namespace() -> Iterator[Namespace]:
    ns = Namespace(name=f"sn-{secrets.token_hex(4)}")
    run_in(None, ["ip", "netns", "add", ns.name])
    try:
        run_in(ns, ["ip", "link", "set", "lo", "up"])
        yield ns
    finally:
        if os.path.exists(ns.path):
            run_in(None, ["ip", "netns", "del", ns.name])


@contextmanager
def play_node(folder: Path, **settings: Any) -> Iterator[Node]:
    """A node whose directories lie in `folder`, taken away at the end. settings: see `Node.configure`."""
    requires_root()
    requires_command("ip", "nsenter", *OVS_COMMANDS)
    requires_link_kind("veth")
    # Not below `folder`: with a long test name the sockets' paths would not fit into their 107 characters.
    switch_folder = Path(tempfile.mkdtemp(prefix="sn-ovs-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, switch_folder)
        namespace = stack.enter_context(_namespace())
        ovs = PrivateOvs(namespace, switch_folder)
        stack.callback(ovs.stop)
        ovs.start()
        made = Node(namespace, ovs, folder, settings)
        stack.callback(made.close)
        yield made


NodeFactory = Callable[..., Node]


@pytest.fixture
def node_factory(tmp_path: Path) -> Iterator[NodeFactory]:
    """Makes nodes, each with its own switch: `node_factory(workers={"count": 1})` (see `Node.configure`)."""
    with ExitStack() as stack:
        made: list[Node] = []

        def make(**settings: Any) -> Node:
            folder = tmp_path / f"node-{len(made) + 1}"
            folder.mkdir()
            made.append(stack.enter_context(play_node(folder, **settings)))
            return made[-1]

        yield make
        for each in made:
            print(each.logs())  # pytest shows it when the test failed


@pytest.fixture
def node(node_factory: NodeFactory) -> Node:
    """One node; no agent runs yet."""
    return node_factory()
