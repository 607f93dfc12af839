"""What is asked of a driver as a package beside what every plugin is asked."""

from __future__ import annotations

from secnet.agent.validation import Validator

from .. import package
from .lab import DriverTests

__all__ = ["Package"]


class Package(DriverTests, package.Package):
    """Nothing here needs a host."""

    group = "package"
    needs_life = False

    def test_the_node_configuration_of_the_case_is_valid(self) -> None:
        """By the driver's own schema."""
        node = Validator(self.plugin().describe().node, "node configuration of the case")
        assert [f"{item.path}: {item.message}" for item in node.problems(self.case.node)] == []
