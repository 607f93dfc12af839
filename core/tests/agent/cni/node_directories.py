"""The directories of a node's runtime, for the tests of the installation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from secnet.agent.cni.install import CniInstallation

ENTRY = {
    "type": "secnet-cni",
    "capabilities": {"io.kubernetes.cri.pod-annotations": True},
    "failOpenNamespaces": ["kube-system", "secnet-system"],
}


BRIDGE = {"type": "bridge", "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/24"}]]}}


PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}
SINGLE = {"cniVersion": "0.4.0", "name": "cluster", **BRIDGE}
WRAPPED = {
    "cniVersion": "0.4.0",
    "name": "cluster",
    "secnet.io/made-from": "10-net.conf",
    "plugins": [BRIDGE, ENTRY],
}


def network(*plugins: Any, **changes: Any) -> dict[str, Any]:
    found = {"cniVersion": "1.0.0", "name": "cluster", "plugins": list(plugins)} | changes
    return {key: value for key, value in found.items() if value is not None}


class Node:
    """The directories of one node."""

    def __init__(self, directory: Path) -> None:
        self.conf, self.bin, self.program = directory / "net.d", directory / "bin", directory / "built"
        self.conf.mkdir()
        self.program.write_bytes(b"\x7fELF one")
        self.installation = self.make()

    def make(self, **changes: Any) -> CniInstallation:
        arguments: dict[str, Any] = {
            "program": self.program,
            "bin_dir": self.bin,
            "conf_dir": self.conf,
            "socket": Path("/run/secnet/cni.sock"),
            "fail_open_namespaces": {"secnet-system", "kube-system"},
        }
        return CniInstallation(**(arguments | changes))

    def write(self, name: str, content: Any) -> Path:
        path = self.conf / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def read(self, name: str) -> Any:
        return json.loads((self.conf / name).read_text())

    def picture(self) -> dict[str, tuple[str, int, int]]:
        """Content, inode and time of every file: what was written again differs."""
        return {
            str(path): (path.read_text(errors="replace"), path.stat().st_ino, path.stat().st_mtime_ns)
            for folder in (self.conf, self.bin)
            for path in sorted(folder.iterdir())
            if path.name != "secnet-cni.sock"
        }
