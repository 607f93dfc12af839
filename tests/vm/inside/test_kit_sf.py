"""The conformance kit over `sriov-sf` on subfunctions whose representors are ports of Open vSwitch."""

from __future__ import annotations

import pytest
from secnet_testing.vm.kit import AllGroups, SfCase

pytestmark = [
    pytest.mark.vm_guest(name="kit-sf", modules=("fakesf",), seconds=600),
    pytest.mark.usefixtures("named_node"),
]


class TestSf(AllGroups):
    case = SfCase
