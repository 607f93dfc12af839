"""The driver of `slot_plugin` among the installed ones: before an agent here, and for one in a container."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from secnet_conformance.forkserver import Entry

from . import slot_plugin
from .plugged import plugged

__all__ = ["RESOURCE", "slot_command", "slot_distribution", "slot_nad_annotations", "slot_program", "slots"]

RESOURCE = "example.com/slot"


def slots(run_dir: Path) -> dict[str, str]:
    """Who has which slot on a node: container id and interface name by device."""
    folder = run_dir / "slots"
    found = sorted(folder.iterdir()) if folder.exists() else []
    return {slot.name: slot.read_text(encoding="utf-8") for slot in found}


def slot_nad_annotations(resource: str = RESOURCE) -> dict[str, str]:
    """The annotations of a NAD whose device is of this resource."""
    return {"k8s.v1.cni.cncf.io/resourceName": resource}


def slot_program(folder: Path) -> Entry:
    """`secnet` with this driver among the installed ones. folder: for its metadata."""
    _write_metadata(folder)
    return plugged(folder)


def slot_command(folder: Path, command: Sequence[str]) -> list[str]:
    """A command line with this driver among the installed ones, for another program than `secnet`."""
    _write_metadata(folder)
    paths = (str(Path(__file__).resolve().parents[1]), str(folder), os.environ.get("PYTHONPATH"))
    return ["env", f"PYTHONPATH={os.pathsep.join(filter(None, paths))}", *command]


def slot_distribution(module: str = slot_plugin.__name__) -> dict[str, str]:
    """The files of its distribution's metadata, by their paths. module: where the driver is."""
    return {
        "sn_slot-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: sn-slot\nVersion: 1.0\n",
        "sn_slot-1.0.dist-info/entry_points.txt": (
            f"[secnet.network_types]\nslot = {module}:SlotDriver\n[secnet.contract]\n1 = {module}\n"
        ),
    }


def _write_metadata(folder: Path) -> None:
    for name, text in slot_distribution().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
