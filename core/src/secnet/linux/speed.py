"""The speed of a link, by the ioctl of ethtool: it asks the namespace of the calling thread, which sysfs does not."""

from __future__ import annotations

import array
import fcntl
import socket
import struct

__all__ = ["link_speed"]

_SIOCETHTOOL = 0x8946
_ETHTOOL_GSET = 1
_UNKNOWN = (0, 0xFFFF, 0xFFFFFFFF)
# struct ethtool_cmd of linux/ethtool.h: command, two masks, the low half of the speed, ..., the high half, ...
_COMMAND = struct.Struct("=III H 6x II H 2x I 8x")
_REQUEST = struct.Struct("16sP")


def link_speed(name: str) -> int | None:
    """Mbit/s; None where the device has no speed, such as a link without carrier or one that is virtual, or does not exist."""
    command = array.array("B", _COMMAND.pack(_ETHTOOL_GSET, 0, 0, 0, 0, 0, 0, 0))
    address, _ = command.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            fcntl.ioctl(sock, _SIOCETHTOOL, _REQUEST.pack(name.encode(), address))
        except OSError:
            return None
    fields = _COMMAND.unpack(command.tobytes())
    speed = int(fields[3]) | int(fields[6]) << 16
    return None if speed in _UNKNOWN else speed
