"""Fixtures of this folder."""

from secnet_testing.veth_pair import HOST_END, POD_END, POD_MAC, Wire, wire

__all__ = ["HOST_END", "POD_END", "POD_MAC", "Wire", "wire"]
