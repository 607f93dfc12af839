"""Which attachment holds a device, and its prior state: kept until the device is restored.

It lies under the state directory, which outlives the run directory with the agent's records: were both lost together, the next
plan would take our own settings for those to restore. It is true for one boot only, as a card forgets its settings with the boot.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from secnet.contract import Attachment, AttachmentId, HostContext, SecnetError, from_json, to_json
from secnet.linux.errors import translated
from secnet.linux.functions import bus_of

__all__ = ["Holding", "HoldingStore", "Left", "Saved"]

_FOLDER = "sriov"
_DAMAGED = (errno.EIO, errno.EUCLEAN, errno.EBADMSG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """An attribute that the card would not take back: what it was, and what it stayed. None: unknown."""

    was: tuple[Any, ...]
    kept: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Who holds a device. attachment: as it was attached, with the device's prior state. left: as in Saved."""

    owner_tag: str
    attachment: Attachment
    left: Mapping[str, Left] = field(default_factory=dict)

    def of(self, owner_tag: str, key: AttachmentId) -> bool:
        """Whether it is this attachment that holds the device."""
        return (self.owner_tag, self.attachment.key) == (owner_tag, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What is known of a device.

    holding: None without a holder. left: the attributes that the card would not take back after an earlier Pod.
    damage: why the file says nothing; empty if it could be read or is not there.
    """

    holding: Holding | None = None
    left: Mapping[str, Left] = field(default_factory=dict)
    damage: str = ""


class HoldingStore:
    """One file for each device of which there is something to know: `sriov/NODE/BOOT_ID/DEVICE.json`, written with rename.

    Nodes may share the directory, so a boot is one of its node. Raises the contract's errors.
    """

    def __init__(self, host: HostContext) -> None:
        # A name of dots only would lead elsewhere.
        self._node = (host.state_dir or host.run_dir) / _FOLDER / quote(host.node_name, safe="").replace(".", "%2E")
        self._boot = host.proc_root / "sys/kernel/random/boot_id"

    def path(self, device: str) -> Path:
        """Where the file of a device lies."""
        bus_of(device)  # it must not lead elsewhere
        return self._folder() / f"{device}.json"

    def look(self, device: str) -> Saved:
        """What is known of a device in this boot. A damaged file is said to be so; one that may not be read raises."""
        path = self.path(device)
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return _parse(device, data)
        except FileNotFoundError:
            return Saved()
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            return Saved(damage=f"{path} holds no saved state: {exc!r}")
        except OSError as exc:
            if exc.errno in _DAMAGED:
                return Saved(damage=f"{path} cannot be read: {exc.strerror}")
            with translated(f"reading {path}", subject=f"device {device}"):
                raise

    def read(self, device: str) -> Holding | None:
        """The holding of a device; None without a holder."""
        return self.look(device).holding

    def all(self) -> tuple[Holding, ...]:
        """Every holding of this boot, by device, but for those that cannot be read."""
        try:
            devices = sorted(path.stem for path in self._folder().glob("*.json"))
        except OSError:
            devices = []
        return tuple(found for device in devices if (found := self._read_or_none(device)) is not None)

    def write(self, device: str, holding: Holding) -> None:
        """Write it down, in place of what was known before."""
        data = {
            "owner_tag": holding.owner_tag,
            "attachment": to_json(holding.attachment),
            "left": _left_json(holding.left),
        }
        self._write(device, data)

    def release(self, device: str, left: Mapping[str, Left]) -> None:
        """Remove the holder. What the card did not take back is kept for the next one."""
        if left:
            self._write(device, {"left": _left_json(left)})
            return
        path = self.path(device)
        with translated(f"removing {path}", subject=f"device {device}"):
            path.unlink(missing_ok=True)

    def earlier(self) -> tuple[Path, ...]:
        """The folders of this node's earlier boots."""
        boot = self._folder()
        try:
            return tuple(sorted(path for path in self._node.iterdir() if path != boot and path.is_dir()))
        except OSError:
            return ()

    def forget(self, folder: Path) -> None:
        """Remove one of `earlier`."""
        with translated(f"removing {folder}"), suppress(FileNotFoundError):
            shutil.rmtree(folder)

    def _read_or_none(self, device: str) -> Holding | None:
        try:
            return self.read(device)
        except SecnetError:
            return None

    def _write(self, device: str, data: dict[str, Any]) -> None:
        path = self.path(device)
        with translated(f"writing {path}", subject=f"device {device}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(".new")
            with new.open("w", encoding="utf-8") as file:
                json.dump(data, file, indent=1)
                file.flush()
                # A disk that is full or broken fails here, before the first change, and not when the device is restored.
                os.fsync(file.fileno())
            os.replace(new, path)
            _sync(path.parent)

    def _folder(self) -> Path:
        with translated(f"reading {self._boot}"):
            return self._node / self._boot.read_text(encoding="ascii").strip()


def _parse(device: str, data: Any) -> Saved:
    """Raises what wrong shapes raise."""
    left = {
        name: Left(was=tuple(item["was"]), kept=None if item["kept"] is None else tuple(item["kept"]))
        for name, item in data["left"].items()
    }
    if "attachment" not in data:
        return Saved(left=left)
    attachment = from_json(Attachment, data["attachment"])
    if attachment.names["device"] != device:
        raise ValueError(f"it is about {attachment.names['device']}")
    return Saved(holding=Holding(owner_tag=data["owner_tag"], attachment=attachment, left=left), left=left)


def _left_json(left: Mapping[str, Left]) -> dict[str, Any]:
    return {name: {"was": item.was, "kept": item.kept} for name, item in left.items()}


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
