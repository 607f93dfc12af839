"""What is asked of a driver as a package beside what every plugin is asked."""

from __future__ import annotations

from pathlib import Path

from secnet.agent.validation import Validator
from secnet.contract import HostContext

from .. import package
from ..suite import applies
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

    @applies(lambda case: "" if case.not_ready else "the case does not say not_ready")
    def test_it_is_still_not_ready(self, tmp_path: Path) -> None:
        """What the case excuses is still so."""
        driver = self.plugin()(HostContext(node_name="node1", run_dir=tmp_path, config=self.case.node))
        try:
            report = driver.probe()
        finally:
            driver.close()
        assert not report.ready, "the probe says ready: take not_ready out of the case"
        assert self.case.not_ready in report.message
