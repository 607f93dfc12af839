"""PCI addresses, in every spelling of a device id."""

from __future__ import annotations

import json

import pytest
from secnet.agent.devices.pci import device_info, pci_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0000:3b:02.1", "0000:3b:02.1"),
        ("0000:3B:1F.7", "0000:3b:1f.7"),
        ("10000:00:02.1", "10000:00:02.1"),
        ("0000-3b-02-1", "0000:3b:02.1"),
        ("pci-0000-3b-02-1", "0000:3b:02.1"),
        ("0000:3b:22.1", None),
        ("0000:3b:02.8", None),
        ("3b:02.1", None),
        ("0000:3b:02.1\n", None),
        ("mlx5_core.sf.4", None),
    ],
)
def test_pci_addresses(text: str, address: str | None) -> None:
    assert pci_address(text) == address


def test_device_info_of_a_pci_device_only() -> None:
    wanted = {"type": "pci", "version": "1.1.0", "pci": {"pci-address": "0000:3b:02.1"}}
    assert json.loads(json.dumps(device_info("0000:3b:02.1"))) == wanted
    assert device_info("mlx5_core.sf.4") is None
    assert device_info("0000-3b-02-1") is None, "a name like an address is not one"
