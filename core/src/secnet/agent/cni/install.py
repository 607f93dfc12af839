"""The plugin in the runtime's directories: the program, the way to the socket, and the entry in the runtime's network.

Call `ensure` when the agent is ready, and again now and then: whoever owns the primary network may write its file anew. Call
`remove` before the agent goes for good; not for an upgrade, or Pods made meanwhile would start without their networks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from secnet.contract import Conflict, Unavailable

from ..cluster.oserrors import translated
from . import conflist
from .conflist import multus_present
from .files import replace_file, replace_link
from .protocol import CHAINED_TYPE, SINGLE_TYPE

__all__ = ["SOCKET_LINK", "CniInstallation", "multus_present"]

SOCKET_LINK = "secnet-cni.sock"
"""Beside the program: a link to the agent's socket (deploy/cni/agent.h)."""


class CniInstallation:
    """What is installed on one node.

    program: the compiled plugin; None where somebody else installs it. conf_dir: None where somebody else chains it.
    socket: the agent's, by the path that it has on the host. multus: whether Multus serves this node, also while it is away.
    """

    def __init__(
        self,
        *,
        program: Path | None,
        bin_dir: Path,
        conf_dir: Path | None,
        socket: Path,
        pass_namespaces: Iterable[str],
        multus: Callable[[], bool] = lambda: False,
    ) -> None:
        self._program = program
        self._bin_dir = bin_dir
        self._conf_dir = conf_dir
        self._socket = socket
        self._multus = multus
        self._entry = {"type": CHAINED_TYPE, "passNamespaces": sorted(pass_namespaces)}

    def ensure(self) -> Path | None:
        """Install what is missing or different: first the program, for an entry without it would fail every Pod.

        Returns the configuration of the network into which the entry had to be written; None where it stood already.

        Where Multus is, there is no entry: it calls the plugin for each NAD of `type: secnet` itself. Raises NotReady while
        there is no primary network, Unsupported when its version of CNI is none of ours, Conflict when a foreign file has
        the name of ours, or what an OSError means.
        """
        with translated(self._bin_dir):
            if self._program is not None:
                self._install_program(self._program)
            if self._conf_dir is None:
                return None
            if self._multus() or multus_present(self._conf_dir):
                conflist.unchain(self._conf_dir)
                return None
            self._require_program()
            return conflist.chain(self._conf_dir, self._entry)

    def remove(self) -> None:
        """Take the entry out. The program stays: runtimes call it for the sandboxes that are still there, without an agent."""
        with translated(self._conf_dir or self._bin_dir):
            if self._conf_dir is not None:
                conflist.unchain(self._conf_dir)

    def _install_program(self, program: Path) -> None:
        self._bin_dir.mkdir(parents=True, exist_ok=True)
        installed, content = self._bin_dir / CHAINED_TYPE, program.read_bytes()
        if not installed.is_file() or installed.read_bytes() != content or not os.access(installed, os.X_OK):
            replace_file(installed, content, mode=0o755)
        self._link(SOCKET_LINK, str(self._socket))
        self._link(SINGLE_TYPE, CHAINED_TYPE)

    def _link(self, name: str, target: str) -> None:
        path = self._bin_dir / name
        if path.is_symlink():
            if os.readlink(path) == target:
                return
        elif path.exists():
            raise Conflict("this file is not ours", hint="move it away, or give another cni.binDir", subject=str(path))
        replace_link(path, target)

    def _require_program(self) -> None:
        installed = self._bin_dir / CHAINED_TYPE
        if not os.access(installed, os.X_OK):
            hint = "install the plugin there first, or every Pod of this node would fail"
            raise Unavailable("the CNI plugin is not there", hint=hint, subject=str(installed))
