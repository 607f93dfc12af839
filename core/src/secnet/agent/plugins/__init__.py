"""Drivers and IPAM backends as installed: discovery, registry, contract check, schema fragments."""
