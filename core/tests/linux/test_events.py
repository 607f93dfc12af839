"""Events of links, from the kernel."""

from __future__ import annotations

import queue
import threading

import pytest
from secnet.contract import Call, Cancelled
from secnet.linux.events import watch_links
from secnet_testing.netns import Namespace, run_in

pytestmark = pytest.mark.kernel


def test_every_change_of_a_link_is_reported_by_its_name(node_netns: Namespace) -> None:
    seen: queue.Queue[str] = queue.Queue()
    cancel, ended = threading.Event(), queue.Queue[BaseException]()

    def watch() -> None:
        try:
            watch_links(seen.put, Call(cancel=cancel))
        except Cancelled as exc:
            ended.put(exc)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        assert seen.get(timeout=10) == "", "it listens"
        for command in (
            ["ip", "link", "add", "up0", "type", "veth", "peer", "name", "far0"],
            ["ip", "link", "set", "up0", "mtu", "1400"],
            ["ip", "link", "del", "up0"],
        ):
            run_in(node_netns, command)
            while seen.get(timeout=10) != "up0":
                pass  # the other end has events of its own
            while not seen.empty():
                seen.get()
    finally:
        cancel.set()
        thread.join(10)
    assert isinstance(ended.get(timeout=1), Cancelled)
