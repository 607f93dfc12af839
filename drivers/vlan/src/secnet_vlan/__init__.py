"""VLAN networks on Open vSwitch."""
