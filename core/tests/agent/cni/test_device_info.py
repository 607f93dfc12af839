"""The device information file, and paths at which no one may have it written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from secnet.agent.cni._device_info import write_device_info
from secnet.agent.cni._errors import InvalidCniCall

INFO = {"type": "pci", "version": "1.1.0", "pci": {"pci-address": "0000:3b:02.1"}}


def test_it_is_written_whole_and_roots_alone(tmp_path: Path) -> None:
    directory = tmp_path / "devinfo"
    write_device_info(f"{directory}/default-web.json", INFO, directory)
    (file,) = directory.iterdir()
    assert (file.name, json.loads(file.read_text())) == ("default-web.json", INFO)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("path", ["{}/a/b", "{}/../a", "{}/.a", "{}/", "/etc/passwd", "a", "{}-other/a"])
def test_only_a_plain_name_in_its_directory(tmp_path: Path, path: str) -> None:
    directory = tmp_path / "devinfo"
    with pytest.raises(InvalidCniCall) as caught:
        write_device_info(path.format(directory), INFO, directory)
    assert "$.runtimeConfig.CNIDeviceInfoFile" in caught.value.message
    assert not directory.exists()
