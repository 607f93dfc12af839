"""The conformance kit over `sriov` on virtual functions and subfunctions."""

from __future__ import annotations

import pytest
from secnet_testing.vm.kit import AllGroups, AnyCase

pytestmark = [
    pytest.mark.vm_guest(name="kit-any", modules=("fakesf",), seconds=600),
    pytest.mark.usefixtures("named_node"),
]


class TestAny(AllGroups):
    case = AnyCase
