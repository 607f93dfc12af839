"""What names a plugin in an error."""

from __future__ import annotations

from secnet.agent.plugins.registry import Registry
from secnet_testing.sample_plugins import sample_entry_points


def test_the_label_has_kind_name_and_distribution() -> None:
    registry = Registry.load(sample_entry_points)
    assert registry.drivers["vlan"].label.startswith("driver vlan (")
    assert registry.backends["pools"].label.startswith("IPAM backend pools (")
