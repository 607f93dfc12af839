"""A caller of CNI plugins: what Multus, a runtime or `cnitool` does for one network of a Pod."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from .netns import Namespace
from .node import Node

__all__ = ["CONF", "Caller"]

_OTHERS = Path("/usr/lib/cni")

CONF: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "name": "blue",
    "type": "secnet",
    "networkType": "vlan",
    "vlan": 100,
    "ipam": {"type": "antrea", "ippools": ["blue"]},
}


class Caller:
    """Calls a plugin by environment and standard input. program: ours; others lie where Debian has them."""

    def __init__(self, node: Node, program: Path) -> None:
        self.node = node
        self.pod_uid = "u1"
        self._program = program

    def __call__(self, command: str, netns: Namespace | None, *, ifname: str = "net1", **conf: Any) -> Any:
        """The answer; for a failure its error object."""
        return self._answer(self.begin(command, netns, ifname=ifname, **conf))

    def other(self, name: str, command: str, netns: Namespace, **conf: Any) -> Any:
        """The answer of another plugin of the chain, whose `cniVersion` is that of the chain."""
        whole = {"cniVersion": "1.0.0", "name": CONF["name"], "type": name, **conf}
        return self._answer(self._begin(_OTHERS / name, command, netns, "net1", whole))

    @staticmethod
    def _answer(process: subprocess.Popen[str]) -> Any:
        stdout, stderr = process.communicate(timeout=60)
        answer = json.loads(stdout) if stdout.strip() else {}
        assert (process.returncode != 0) == ("code" in answer), (stdout, stderr)
        return answer

    def begin(
        self, command: str, netns: Namespace | None, *, ifname: str = "net1", **conf: Any
    ) -> subprocess.Popen[str]:
        """Our plugin at work. A key that is None is left out."""
        whole = {key: value for key, value in (CONF | conf).items() if value is not None}
        return self._begin(self._program, command, netns, ifname, whole)

    def _begin(
        self, program: Path, command: str, netns: Namespace | None, ifname: str, conf: dict[str, Any]
    ) -> subprocess.Popen[str]:
        environment = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": "c0ffee",
            "CNI_IFNAME": ifname,
            "CNI_PATH": str(self._program.parent),
            "CNI_NETNS": "" if netns is None else netns.path,
            "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=a;K8S_POD_UID={self.pod_uid}",
        }
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [str(program)], env={**os.environ, **environment}, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(conf))
        process.stdin.close()
        process.stdin = None  # communicate() would write to it
        return process
