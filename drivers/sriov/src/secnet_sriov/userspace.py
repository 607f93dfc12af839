"""What a program needs to know of a device: the object of the Device Information Specification."""

from __future__ import annotations

from typing import Any

from secnet.contract import Attachment
from secnet.linux.functions import AUXILIARY, Function

__all__ = ["device_info"]

_VERSION = "1.1.0"


def device_info(function: Function, attachment: Attachment) -> dict[str, Any] | None:
    """`pci` with address and, where there are, RDMA device, physical function and representor. None for a subfunction:
    it has no type there.
    """
    if function.bus == AUXILIARY:
        return None
    pci = {"pci-address": function.id}
    # Where a namespace owns it, the host does not see it any more once it was moved.
    if rdma := attachment.state.get("rdma") or function.rdma:
        pci["rdma-device"] = str(rdma[0])
    if function.parent:
        pci["pf-pci-address"] = function.parent
    if representor := attachment.names.get("representor"):
        pci["representor-device"] = representor
    return {"type": "pci", "version": _VERSION, "pci": pci}
