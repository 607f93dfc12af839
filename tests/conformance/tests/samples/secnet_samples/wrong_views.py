"""Drivers that are wrong in what they say of options or of the node, in one way each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secnet.contract import InvalidConfig

from .pair import PairDriver

__all__ = ["ValidatesByHost"]


class ValidatesByHost(PairDriver):
    """validate looks at the machine that it happens to run on."""

    network_type = "validates-by-host"

    def validate(self, options: Mapping[str, Any]) -> None:
        if not self.host.run_dir.is_dir():
            raise InvalidConfig("there is no run directory", hint="make it")
