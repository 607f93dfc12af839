"""Golden records: what the journal of a released contract version holds of an attachment, one JSON file each.

They lie in `contract-N/` below the folder of the case, where N is the contract version that wrote them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from secnet.agent.model.record import Phase, Record
from secnet.agent.model.selection import SelectionId
from secnet.contract import CONTRACT_VERSION, Attachment, AttachResult, NetnsRef, from_json, to_json

__all__ = ["golden_files", "live", "missing_golden", "read_golden", "write_golden"]

_NETNS = NetnsRef(path="/run/netns/golden", device=1, inode=2, cookie=3)
"""Stands in a file for the sandbox, which is another one each time."""


def golden_files(folder: Path | None, network_type: str) -> Sequence[Path]:
    """Every record of a type, the oldest version first; other plugins may keep theirs in the same folder."""
    return sorted(folder.glob(f"contract-*/{network_type}-[0-9]*.json")) if folder is not None else []


def missing_golden(folder: Path, network_type: str, count: int) -> dict[int, Path]:
    """Files that this contract version should have and has not: number of the option set -> path."""
    paths = {index: folder / f"contract-{CONTRACT_VERSION}" / f"{network_type}-{index}.json" for index in range(count)}
    return {index: path for index, path in paths.items() if not path.exists()}


def read_golden(path: Path) -> Attachment:
    """The attachment of a record, as a fresh agent reads it."""
    return from_json(Record, json.loads(path.read_text(encoding="utf-8"))).attachment


def write_golden(path: Path, attachment: Attachment, result: AttachResult) -> None:
    """The record that the agent keeps while the attachment lives."""
    kept = live(attachment, _NETNS)
    record = Record(
        phase=Phase.ATTACHED,
        boot_id="golden",
        attachment=kept,
        selection_id=SelectionId(network=kept.request.network),
        result=result,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_json(record), indent=2, sort_keys=True) + "\n", encoding="utf-8")


def live(attachment: Attachment, netns: NetnsRef) -> Attachment:
    """The same attachment in another sandbox."""
    return dataclasses.replace(attachment, request=dataclasses.replace(attachment.request, netns=netns))
