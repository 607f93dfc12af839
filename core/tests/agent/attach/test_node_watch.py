"""Events of drivers about their part of the node."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

from secnet.agent.attach.node_watch import NodeWatch
from secnet.agent.attach.plugin_calls import Plugins
from secnet.agent.config.settings import Settings
from secnet.agent.plugins.registry import Registry
from secnet.contract import (
    Call,
    NetworkDriver,
    Unavailable,
)
from secnet_testing.scripted_plugins import Script, toy_registry

SETTINGS = Settings(node_name="n", drivers={"toy": {"bridge": "br0"}})


def registry_of(**methods: Any) -> Registry:
    """The toys; the driver has these methods."""
    toys = toy_registry(Script())
    plugin = toys.drivers["toy"]
    cls: Any = type("Toy", (plugin.cls,), methods)
    return dataclasses.replace(toys, drivers={"toy": dataclasses.replace(plugin, cls=cls)})


def plugins_of(**methods: Any) -> Plugins:
    return Plugins(registry_of(**methods), SETTINGS, objects=None)  # type: ignore[arg-type]  # no toy asks for objects


def test_events_of_a_driver_arrive_and_end_with_the_watch() -> None:
    changed, ended = threading.Event(), threading.Event()

    def watch(driver: NetworkDriver, notify: Callable[[], None], call: Call) -> None:
        notify()
        call.cancel.wait(30)
        ended.set()
        call.checkpoint()

    node_watch = NodeWatch(plugins_of(watch_node=watch), changed.set)
    node_watch.start()
    assert changed.wait(10)
    node_watch.close()
    assert ended.is_set()


def test_a_watch_that_breaks_is_begun_again() -> None:
    begun = threading.Semaphore(0)

    def watch(driver: NetworkDriver, notify: Callable[[], None], call: Call) -> None:
        begun.release()
        raise Unavailable("the socket broke")

    node_watch = NodeWatch(plugins_of(watch_node=watch), lambda: None)
    node_watch.start()
    try:
        assert begun.acquire(timeout=10)
        assert begun.acquire(timeout=10)
    finally:
        node_watch.close()


def test_a_driver_without_events_costs_no_thread() -> None:
    before = threading.active_count()
    node_watch = NodeWatch(plugins_of(), lambda: None)
    node_watch.start()
    assert threading.active_count() == before
    node_watch.close()
