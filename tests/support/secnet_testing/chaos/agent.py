"""The real `secnet`, whose wall clock is moved by as many seconds as a file says.

    python -m secnet_testing.chaos.agent FILE agent --config ...

A stand-in for a machine whose clock is set while it runs: no namespace of Linux has a wall clock of its own. The monotonic clock
stays, as it does there.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

from grpc import _channel
from secnet.agent.cli.program import main as secnet
from secnet_conformance.forkserver import Entry

__all__ = ["entry", "main"]

_true_time = time.time


def entry(offset: Path) -> Entry:
    """What to run in place of `secnet`."""
    return Entry(module=__name__, arguments=(str(offset),))


def main(argv: list[str]) -> int:
    """The entry point; see the module."""
    offset = Path(argv[0])

    def moved() -> float:
        return _true_time() + float(offset.read_text(encoding="ascii") or 0)

    time.time = moved
    # The core of gRPC reads the kernel's clock, and takes deadlines by it.
    setattr(_channel, "time", SimpleNamespace(**{**vars(time), "time": _true_time}))  # noqa: B010  # it exports no such name
    return secnet(argv[1:])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
