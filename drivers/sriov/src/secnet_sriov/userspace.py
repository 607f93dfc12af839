"""What a program needs to know of a device: the object of the Device Information Specification."""

from __future__ import annotations

from typing import Any

from secnet.contract import Attachment
from secnet.linux.functions import AUXILIARY, Function

__all__ = ["device_info"]

_VERSION = "1.1.0"


def device_info(function: Function, attachment: Attachment) -> dict[str, Any] | None:
    """`pci` with address and physical function. A subfunction has no type of its own there: None."""
    if function.bus == AUXILIARY:
        return None
    pci = {"pci-address": function.id}
    if function.parent:
        pci["pf-pci-address"] = function.parent
    if representor := attachment.names.get("representor"):
        pci["representor-device"] = representor
    return {"type": "pci", "version": _VERSION, "pci": pci}
