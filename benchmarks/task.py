"""The work that everybody is given: one IPv4 and one IPv6 address, one route of each family, one MTU."""

from __future__ import annotations

__all__ = ["GATEWAY_4", "GATEWAY_6", "MTU", "ROUTE_4", "ROUTE_6", "SUBNET_4", "SUBNET_6", "VLAN"]

MTU = 1500
VLAN = 100
"""Ours only: the CNI bridge is asked for no VLAN, which leaves it less to do."""

SUBNET_4, GATEWAY_4, ROUTE_4 = "10.77.0.0/16", "10.77.0.1", "192.168.0.0/16"
SUBNET_6, GATEWAY_6, ROUTE_6 = "fd00:77::/64", "fd00:77::1", "fd00:99::/48"
