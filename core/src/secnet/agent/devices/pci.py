"""PCI addresses, and the device information of a device that has one."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["device_id", "device_info", "pci_address"]

_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")
_AS_LABEL = re.compile(r"(?:.*-)?([0-9a-f]{4,8})-([0-9a-f]{2})-([01][0-9a-f])-([0-7])")
_SPEC_VERSION = "1.1.0"  # of the Device Information Specification


def pci_address(text: str) -> str | None:
    """The PCI address that a device id is, in lower case; also where it is written as a DNS label, `0000-3b-02-1`."""
    text = text.lower()
    if _ADDRESS.fullmatch(text):
        return text
    found = _AS_LABEL.fullmatch(text)
    return None if found is None else "{}:{}:{}.{}".format(*found.groups())


def device_id(text: str) -> str:
    """A device id as everything behind its entrance knows it: a PCI address in lower case, as sysfs has it; another as it is."""
    return text.lower() if _ADDRESS.fullmatch(text.lower()) else text


def device_info(device: str) -> dict[str, Any] | None:
    """The device-info of the Device Information Specification, as far as the id of the device gives it; None if it does not."""
    if not _ADDRESS.fullmatch(device.lower()):
        return None
    return {"type": "pci", "version": _SPEC_VERSION, "pci": {"pci-address": device.lower()}}
