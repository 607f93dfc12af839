"""Many sandboxes at once, with one instance and with two."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from secnet.contract import Attachment, DeviceRef, NetworkDriver

from ..netns import Namespace
from .lab import DriverLab, DriverTests, unchanged

__all__ = ["Parallel"]

_SANDBOXES = 8


class Parallel(DriverTests):
    """Drivers are thread-safe."""

    group = "parallel"

    def test_eight_sandboxes_at_once_with_one_instance(self, lab: DriverLab) -> None:
        driver = lab.driver()
        _all_at_once(lab, [driver] * _SANDBOXES)

    def test_eight_sandboxes_at_once_with_two_instances(self, lab: DriverLab) -> None:
        one, two = lab.driver(), lab.driver()
        _all_at_once(lab, [one, two] * (_SANDBOXES // 2))


def _all_at_once(lab: DriverLab, drivers: list[NetworkDriver]) -> None:
    pods = [lab.pod() for _ in drivers]
    devices = lab.devices(len(drivers))
    before, links = lab.picture(*pods), lab.node_links()

    def attach(driver: NetworkDriver, pod: Namespace, device: DeviceRef | None) -> Attachment:
        attachment = lab.plan(driver, lab.request(pod, device=device))
        driver.attach(attachment, lab.call())
        return attachment

    # The threads begin in the namespace of the thread that starts them: the node's.
    with ThreadPoolExecutor(len(drivers)) as pool:
        made = list(pool.map(attach, drivers, pods, devices))
        list(pool.map(lab.up, made))
        list(pool.map(lambda driver, item: lab.clean_check(driver, item, f"check of {item.key}"), drivers, made))
        _require_distinct(made, lab.node_links() - links)
        list(pool.map(lambda driver, item: driver.detach(item, lab.call()), drivers, made))
    unchanged(before, lab.picture(*pods), "after all are detached")


def _require_distinct(made: list[Attachment], new_links: set[str]) -> None:
    """No two attachments have the same link or MAC."""
    names = [name for item in made for name in item.names.values() if name in new_links]
    macs: list[Any] = [item.mac for item in made if item.mac is not None]
    assert len(set(names)) == len(names), f"names of links: {names}"
    assert len(set(macs)) == len(macs), f"MACs: {macs}"
