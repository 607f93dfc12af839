"""What the firmware says of a machine: in folders of our own, as a test cannot change the machine that it runs on."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet.linux.hypervisor import hypervisor


@pytest.mark.parametrize(
    ("says", "name"),
    [
        ({"sys_vendor": "VMware, Inc.", "product_name": "VMware Virtual Platform"}, "VMware"),
        ({"sys_vendor": "Amazon EC2", "product_name": "m5.xlarge"}, "Amazon EC2"),
        ({"sys_vendor": "Google", "product_name": "Google Compute Engine"}, "Google Compute Engine"),
        (
            {
                "sys_vendor": "Microsoft Corporation",
                "product_name": "Virtual Machine",
                "chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77",
            },
            "Microsoft Azure",
        ),
        ({"sys_vendor": "Microsoft Corporation", "product_name": "Virtual Machine"}, "Hyper-V"),
        (
            {"sys_vendor": "OpenStack Foundation", "product_name": "OpenStack Nova", "bios_vendor": "SeaBIOS"},
            "OpenStack",
        ),
        ({"sys_vendor": "QEMU", "product_name": "Standard PC (Q35 + ICH9, 2009)"}, "QEMU"),
        ({"sys_vendor": "Dell Inc.", "product_name": "PowerEdge R650"}, ""),
        ({}, ""),
    ],
)
def test_by_its_words(tmp_path: Path, says: dict[str, str], name: str) -> None:
    folder = tmp_path / "class/dmi/id"
    folder.mkdir(parents=True)
    for file, text in says.items():
        (folder / file).write_text(f"{text}\n")
    assert hypervisor(tmp_path) == name


def test_a_machine_without_firmware_tables(tmp_path: Path) -> None:
    assert hypervisor(tmp_path) == ""
