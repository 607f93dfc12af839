"""VLAN networks on Open vSwitch: the network type `vlan`."""

from .driver import VlanDriver

__all__ = ["VlanDriver"]
