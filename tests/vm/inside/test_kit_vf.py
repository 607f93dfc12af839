"""The conformance kit over `sriov-vf` on virtual functions of two cards."""

from __future__ import annotations

import pytest
from secnet_testing.vm.kit import AllGroups, VfCase

pytestmark = [
    pytest.mark.vm_guest(name="kit-vf", seconds=600),
    pytest.mark.usefixtures("named_node"),
]


class TestVf(AllGroups):
    case = VfCase
