"""QEMU's monitor from inside the guest: pull a cable, pull a card, put it back."""

from __future__ import annotations

import json
import os
import select
import time
from pathlib import Path
from typing import Any

from .machine import pf_mac

__all__ = ["Monitor"]

_PORTS = Path("/sys/class/virtio-ports")
_NAME = "org.secnet.monitor"
_ANSWER_SECONDS = 20.0


class Monitor:
    """The monitor's serial port, for one user a guest; needs the module virtio_console.

    Cards go by their names in QEMU: `pf1`, `pf2`, `wire`.
    """

    def __init__(self) -> None:
        (port,) = [port.name for port in _PORTS.iterdir() if (port / "name").read_text().strip() == _NAME]
        self._file = os.open(f"/dev/{port}", os.O_RDWR | os.O_CLOEXEC)
        self._rest = b""
        self._number = 0
        self.execute("qmp_capabilities")

    def close(self) -> None:
        """Leave the monitor."""
        os.close(self._file)

    def set_carrier(self, card: str, *, up: bool) -> None:
        """Plug the cable of a card in or out."""
        self.execute("set_link", name=card, up=up)

    def unplug(self, card: str) -> None:
        """Ask the guest to let a physical function go, as its slot's button does; the caller waits until it is gone."""
        self.execute("device_del", id=card)

    def plug(self, card: str) -> None:
        """Put a physical function that was unplugged back into its slot."""
        number = int(card.removeprefix("pf"))
        options = {"bus": f"rp{number}", "netdev": f"h{number}", "mac": pf_mac(number), "romfile": ""}
        self.execute("device_add", driver="igb", id=card, **options)

    def execute(self, command: str, **arguments: Any) -> Any:
        """Run a command of QMP; returns what it returns. AssertionError when QEMU refuses."""
        self._number += 1
        request = {"execute": command, "id": self._number, **({"arguments": arguments} if arguments else {})}
        os.write(self._file, f"{json.dumps(request)}\n".encode())
        deadline = time.monotonic() + _ANSWER_SECONDS
        while True:
            # Events, and the greeting if it was not lost before the port was opened, come in between.
            answer = json.loads(self._line(deadline))
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{command} {arguments}: {answer['error']}"
                return answer["return"]

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            answered = left > 0 and select.select([self._file], [], [], left)[0]
            assert answered, "QEMU's monitor does not answer"
            self._rest += os.read(self._file, 4096)
        line, _, self._rest = self._rest.partition(b"\n")
        return line
