"""Which attachment holds a device, and what the device was before: kept until the device is given back.

It lies under the state directory, which outlives the run directory with the agent's records: were both lost together, the next
plan would take our own settings for those to restore. It is true for one boot only, as a card forgets its settings with the boot.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secnet.contract import Attachment, Conflict, HostContext, InvalidConfig, Key, from_json, to_json
from secnet.linux.errors import translated
from secnet.linux.functions import bus_of

__all__ = ["Holding", "HoldingStore"]

_FOLDER = "sriov"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Who holds a device. attachment: as it was attached, with the device's prior state."""

    owner_tag: str
    attachment: Attachment

    def of(self, owner_tag: str, key: Key) -> bool:
        """Whether it is this attachment that holds the device."""
        return (self.owner_tag, self.attachment.key) == (owner_tag, key)


class HoldingStore:
    """One file for each device that is held, written with rename. Raises the contract's errors."""

    def __init__(self, host: HostContext) -> None:
        self._folder = (host.state_dir or host.run_dir) / _FOLDER
        self._boot = host.proc_root / "sys/kernel/random/boot_id"

    def path(self, device: str) -> Path:
        """Where the holding of a device lies."""
        bus_of(device)  # it must not lead elsewhere
        return self._folder / f"{device}.json"

    def read(self, device: str) -> Holding | None:
        """The holding of a device; None if nobody holds it, or did so before the last boot."""
        path = self.path(device)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise _unreadable(path, exc.strerror or str(exc)) from exc
        try:
            data = json.loads(text)
            if data["boot_id"] != self._boot_id():
                return None
            return Holding(owner_tag=data["owner_tag"], attachment=from_json(Attachment, data["attachment"]))
        except (ValueError, KeyError, TypeError) as exc:
            raise _unreadable(path, repr(exc)) from exc

    def all(self) -> tuple[Holding, ...]:
        """Every holding of this boot, by device, but for those that cannot be read: `read` says so of each."""
        try:
            devices = sorted(path.stem for path in self._folder.glob("*.json"))
        except OSError:
            devices = []
        found: list[Holding] = []
        for device in devices:
            with suppress(Conflict, InvalidConfig):
                if (holding := self.read(device)) is not None:
                    found.append(holding)
        return tuple(found)

    def write(self, device: str, holding: Holding) -> None:
        """Write it down, in place of an older one."""
        path = self.path(device)
        data: dict[str, Any] = {
            "boot_id": self._boot_id(),
            "owner_tag": holding.owner_tag,
            "attachment": to_json(holding.attachment),
        }
        with translated(f"writing {path}", subject=f"device {device}"):
            self._folder.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(".new")
            new.write_text(json.dumps(data, indent=1), encoding="utf-8")
            os.replace(new, path)

    def remove(self, device: str) -> None:
        """Forget it: the device is as it was."""
        with translated(f"removing {self.path(device)}", subject=f"device {device}"):
            self.path(device).unlink(missing_ok=True)

    def _boot_id(self) -> str:
        with translated(f"reading {self._boot}"):
            return self._boot.read_text(encoding="ascii").strip()


def _unreadable(path: Path, why: str) -> Conflict:
    return Conflict(
        f"the saved state of the device cannot be read: {why}",
        hint="look at the file; if the device is free and as it should be, remove the file",
        subject=str(path),
    )
