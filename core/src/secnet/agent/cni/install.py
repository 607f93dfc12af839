"""The plugin in the runtime's directories: the program, the way to the socket, and the entry in the runtime's network.

Call `ensure` when the agent is ready, and again now and then: the owner of the primary network may rewrite its file. Call
`remove` before the agent goes for good; not for an upgrade, or Pods made meanwhile would start without their networks.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from secnet.contract import Conflict, Unavailable

from ..base.os_errors import translated
from . import _conflist as conflist
from ._conflist import NO_NETWORK, multus_present
from ._files import replace_file, replace_link
from ._protocol import CHAINED_TYPE, SINGLE_TYPE

__all__ = ["CHAINED_TYPE", "NO_NETWORK", "SINGLE_TYPE", "SOCKET_LINK", "CniInstallation", "multus_present"]

_log = logging.getLogger(__name__)

SOCKET_LINK = "secnet-cni.sock"
"""Beside the program: a link to the agent's socket (deploy/cni/agent.h)."""

_CAPABILITIES = {"io.kubernetes.cri.pod-annotations": True}
"""Runtimes then hand the plugin the Pod's annotations, so that it needs no agent for a Pod without networks."""

_UNSURE_SECONDS = 2.0  # two changes in one tick of the clock have the same time


class CniInstallation:
    """What is installed on one node.

    program: the compiled plugin; None where another program installs it. conf_dir: None where another program chains it.
    socket: the agent's, by the path that it has on the host. multus: whether Multus serves this node, also while it is away.
    chains: whether the entry belongs into the runtime's network, by the last `ensure`.
    """

    def __init__(
        self,
        *,
        program: Path | None,
        bin_dir: Path,
        conf_dir: Path | None,
        socket: Path,
        fail_open_namespaces: Iterable[str],
        multus: Callable[[], bool] = lambda: False,
    ) -> None:
        self._program = program
        self._bin_dir = bin_dir
        self._conf_dir = conf_dir
        self._socket = socket
        self._multus = multus
        self.chains = False
        self._right: tuple[object, ...] | None = None  # what the files looked like when there was nothing to do
        self._entry = {
            "type": CHAINED_TYPE,
            "capabilities": _CAPABILITIES,
            "failOpenNamespaces": sorted(fail_open_namespaces),
        }

    def ensure(self, pause: Callable[[], float] = lambda: 0.0) -> conflist.Chained | None:
        """Install what is missing or different: first the program, for an entry without it would fail every Pod.

        Returns the network into which the entry had to be written; None where it stood already. pause: seconds until it may be
        written; Busy is raised then.

        Where Multus is, there is no entry: it calls the plugin for each NAD of `type: secnet` itself. Raises NotReady while
        there is no primary network, Unsupported when its version of CNI is none of ours, Conflict when a foreign file has
        the name of ours, or what an OSError means.
        """
        with translated(self._bin_dir):
            multus = self._multus()
            found = self._look(multus)
            if found is not None and found == self._right:
                return None
            self._right = None
            written = self._ensure(multus, pause)
            self._right = found if written is None else None
            return written

    def ensure_program(self) -> None:
        """Install the program alone, for an agent that is not ready yet: an entry may stand there from before, and without its
        program every Pod of the node fails. Raises Conflict, or what an OSError means.
        """
        if self._program is not None and not self._is_complete():
            with translated(self._bin_dir):
                self._install_program(self._program)

    def _ensure(self, multus: bool, pause: Callable[[], float]) -> conflist.Chained | None:
        if self._program is not None:
            self._install_program(self._program)
        if self._conf_dir is None:
            return None
        self.chains = not (multus or multus_present(self._conf_dir))
        if not self.chains:
            conflist.unchain(self._conf_dir)
            return None
        self._require_program()
        return conflist.chain(self._conf_dir, self._entry, pause)

    def _look(self, multus: bool) -> tuple[object, ...] | None:
        """What differs when anything was changed. None if a file cannot be read, or its times are too recent to compare."""
        files = [self._bin_dir / CHAINED_TYPE, *([] if self._program is None else [self._program])]
        try:
            if self._conf_dir is not None:
                files += [self._conf_dir / name for name in sorted(os.listdir(self._conf_dir))]
            looks = [(str(path), path.stat()) for path in files]
            installed = [self._bin_dir / name for name in (CHAINED_TYPE, SINGLE_TYPE, SOCKET_LINK)]
            looks += [(str(path), path.lstat()) for path in installed]
        except OSError:
            return None
        if max(look.st_ctime for _, look in looks) > time.time() - _UNSURE_SECONDS:
            return None
        return multus, *((path, look.st_dev, look.st_ino, look.st_size, look.st_ctime_ns) for path, look in looks)

    def remove(self) -> None:
        """Take the entry out. The program stays: runtimes call it for the sandboxes that are still there, without an agent."""
        with translated(self._conf_dir or self._bin_dir):
            if self._conf_dir is not None:
                conflist.unchain(self._conf_dir)

    def _install_program(self, program: Path) -> None:
        self._bin_dir.mkdir(parents=True, exist_ok=True)
        installed, content = self._bin_dir / CHAINED_TYPE, program.read_bytes()
        named_by = None if self._conf_dir is None or installed.exists() else conflist.chained_file(self._conf_dir)
        if not installed.is_file() or installed.read_bytes() != content or not os.access(installed, os.X_OK):
            replace_file(installed, content, mode=0o755)
        self._link(SOCKET_LINK, str(self._socket))
        self._link(SINGLE_TYPE, CHAINED_TYPE)
        if named_by is not None:
            _log.warning(
                "%s was missing, and is there again: %s names it, so no Pod could start on this node meanwhile, and each attempt "
                "may have cost an address of the primary network",
                installed,
                named_by,
            )

    def _is_complete(self) -> bool:
        """Whether the names are there; which version it is does not matter."""
        paths = [self._bin_dir / name for name in (CHAINED_TYPE, SINGLE_TYPE, SOCKET_LINK)]
        return os.access(paths[0], os.X_OK) and all(path.is_symlink() for path in paths[1:])

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
