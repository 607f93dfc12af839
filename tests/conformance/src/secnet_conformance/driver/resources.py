"""After `close` nothing is held: no thread, no descriptor: of a file, a socket, a namespace."""

from __future__ import annotations

from secnet.contract import NetworkDriver

from ..held import held, left_of
from ..netns import Namespace
from .lab import DriverLab, DriverTests

__all__ = ["Resources"]

_LIVES = 10


class Resources(DriverTests):
    """What a long-lived agent would run out of."""

    group = "resources"

    def test_close_leaves_nothing_open(self, lab: DriverLab) -> None:
        pod, before = lab.pod(), held()
        driver = lab.case.driver(lab.context)
        attachment = lab.attach(driver, pod)
        driver.check(attachment, lab.call())
        driver.inventory(lab.call())
        driver.detach(attachment, lab.call())
        driver.close()
        left = left_of(before)
        assert not left, f"still there after close: {', '.join(left)}"
        driver.close()

    def test_what_calls_open_does_not_add_up(self, lab: DriverLab) -> None:
        """An agent calls for months before it closes."""
        driver, pod = lab.driver(), lab.pod()
        _live(lab, driver, pod, 2)  # what is opened once and kept is there now
        before = held()
        _live(lab, driver, pod, _LIVES)
        left = left_of(before)
        assert len(left) < _LIVES, f"{_LIVES} attachments left {len(left)}: {', '.join(left)}"


def _live(lab: DriverLab, driver: NetworkDriver, pod: Namespace, times: int) -> None:
    for _ in range(times):
        attachment = lab.attach(driver, pod)
        driver.check(attachment, lab.call())
        driver.detach(attachment, lab.call())
