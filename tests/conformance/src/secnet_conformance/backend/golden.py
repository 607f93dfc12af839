"""The golden records of a backend: the parts of a journal record that a release wrote and every later version must understand.

A file is `contract-VERSION/TYPE-NUMBER.json` in the case's folder: `{"ipam_type", "ipam", "attachment": {"lease"}}`, the keys
that a whole journal record has too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secnet.contract import CONTRACT_VERSION, IpamLease, IpamRequest, from_json, to_json

__all__ = ["GoldenFile", "golden_files", "golden_path", "write_golden"]


@dataclass(frozen=True, slots=True)
class GoldenFile:
    """One record."""

    path: Path

    def __str__(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}"

    def read(self) -> tuple[IpamRequest, IpamLease]:
        """What was asked for, and what was given."""
        data = json.loads(self.path.read_text(encoding="utf-8"))
        return from_json(IpamRequest, data["ipam"]), from_json(IpamLease, data["attachment"]["lease"])


def golden_files(case: Any, ipam_type: str) -> list[GoldenFile]:
    """The records of a type that are there, oldest version first."""
    if case.golden is None:
        return []
    return [GoldenFile(path) for path in sorted(case.golden.glob(f"contract-*/{ipam_type}-[0-9]*.json"))]


def golden_path(folder: Path, ipam_type: str, number: int) -> Path:
    """Where the record of the good configuration of that number, from 1, lies for this contract version."""
    return folder / f"contract-{CONTRACT_VERSION}" / f"{ipam_type}-{number}.json"


def write_golden(path: Path, ipam_type: str, request: IpamRequest, lease: IpamLease) -> None:
    """Write a record."""
    data = {"ipam_type": ipam_type, "ipam": to_json(request), "attachment": {"lease": to_json(lease)}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
