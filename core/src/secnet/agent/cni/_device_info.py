"""The device information file of a CNI call (Device Information Specification): written by the plugin, removed by the caller.

The path comes from the configuration, and that may come from a user's object: only a plain name in the directory that the
specification gives is accepted, or a user could have root write anywhere.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secnet.contract import thaw

from ..base.os_errors import translate_os_error
from ._errors import BAD_CONFIG, InvalidCniCall

__all__ = ["DEVICE_INFO_DIR", "write_device_info"]

DEVICE_INFO_DIR = Path("/var/run/k8s.cni.cncf.io/devinfo/cni")

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,250}")


def write_device_info(path: str, info: Mapping[str, Any], directory: Path = DEVICE_INFO_DIR) -> None:
    """Write the file. Raises InvalidCniCall for a path outside of `directory`, or what an OSError means."""
    parent, _, name = path.rpartition("/")
    if parent not in (str(directory), str(directory).removeprefix("/var")) or not _NAME.fullmatch(name):
        raise InvalidCniCall(
            BAD_CONFIG,
            f"$.runtimeConfig.CNIDeviceInfoFile: {path} is no file in {directory}",
            "leave it to the caller of the plugin",
        )
    temporary = directory / f".{name}.{os.getpid()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            json.dump(thaw(info), file)
        os.replace(temporary, directory / name)
    except OSError as exc:
        temporary.unlink(missing_ok=True)
        raise translate_os_error(exc, directory) from exc
