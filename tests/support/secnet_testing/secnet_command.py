"""`secnet` commands for tests, forked from a process that has imported all: see `secnet_conformance.forkserver`.

What starts or imports differently when forked is tested with the real command, `COMMAND`.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import BinaryIO

from secnet_conformance.forkserver import Entry, ForkServer

__all__ = ["COMMAND", "SECNET", "fork_server", "run_secnet", "share"]

SECNET = Entry(module="secnet.agent.cli")
COMMAND = (str(Path(sys.executable).with_name("secnet")),)
"""The same as a command line, for what is different there: what is imported, and the memory that it takes."""

_shared: list[ForkServer] = []
_spawning = threading.Lock()


def fork_server() -> ForkServer:
    """The one of this test process, spawned when first asked for unless one was given to `share`. Safe in several threads."""
    with _spawning:
        if not _shared:
            share(ForkServer.spawn(["secnet_testing.preload"]))
        return _shared[0]


def share(server: ForkServer) -> None:
    """Let this one be that of the test process; it is closed at its end."""
    assert not _shared, "there is one already"
    _shared.append(server)
    atexit.register(server.close)


def run_secnet(
    *args: str | Path, timeout: float, netns: str = "", entry: Entry = SECNET
) -> subprocess.CompletedProcess[str]:
    """Run a `secnet` command to its end, as `subprocess.run` would. Raises subprocess.TimeoutExpired.

    entry: another entry point, such as one with more plugins.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = fork_server().start(entry, [*map(str, args)], stdout=out.fileno(), stderr=err.fileno(), netns=netns)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        return subprocess.CompletedProcess(["secnet", *map(str, args)], code, _text(out), _text(err))


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
