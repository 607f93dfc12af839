"""The real `secnet agent`, which writes down the modules that one attach enters.

    python -m secnet_testing.entered FILE agent --config ...

From the event of a Pod in the watch to the driver's `plan`: FILE gets the names of the modules of secnet whose code ran on the
way, one a line, in the order in which they were first entered. A later attach replaces them. What travels does not count, only
where it passes: neither the contract nor `secnet.agent.model`, whose classes are the data, nor methods of data classes, nor the
driver itself.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from secnet.agent.cli import agent
from secnet.agent.cli.program import build_parser
from secnet_conformance.forkserver import Entry

__all__ = ["main", "program"]

_BEGINNINGS = {("secnet.agent.cluster.kube._reflector", "_take"), ("secnet.agent.pods.controller", "_handle")}
_QUEUED = ("secnet.agent.pods.controller", "_on_pod")
_PLACES = ("secnet.agent.", "secnet.linux.", "secnet.ovs.")
_DATA = ("secnet.contract.", "secnet.agent.model.")
_GENERATED = "<string>"  # as the methods of data classes have it
_END = ("secnet_vlan.driver", "plan")


class _Path:
    """Follows the thread of the watch to the queue, and the worker's thread from there to the plan."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._local = threading.local()
        self._to_the_queue: dict[str, None] = {}

    def profile(self, frame: FrameType, event: str, arg: Any) -> None:
        """A function for `threading.setprofile`."""
        module = frame.f_globals.get("__name__", "")
        place = (module, frame.f_code.co_name)
        if event == "return" and place == _QUEUED:
            self._local.entered = None
        if event != "call":
            return
        if place in _BEGINNINGS:
            self._local.entered = {}
        entered: dict[str, None] | None = getattr(self._local, "entered", None)
        if entered is None:
            return
        if place == _END:
            self._local.entered = None
            self._file.write_text("\n".join(self._to_the_queue | entered), encoding="utf-8")
        elif module.startswith(_PLACES) and not module.startswith(_DATA) and frame.f_code.co_filename != _GENERATED:
            entered[module] = None
        if place == _QUEUED:
            self._to_the_queue = entered


def program(file: Path) -> Entry:
    """What to run in place of `secnet`."""
    return Entry(module=__name__, arguments=(str(file),))


def main(argv: list[str]) -> int:
    """The entry point; see the module."""
    threading.setprofile(_Path(Path(argv[0])).profile)
    arguments = build_parser().parse_args(argv[1:])
    assert arguments.run is agent.serve
    return int(agent.serve(arguments))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
