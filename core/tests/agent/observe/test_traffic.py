"""Traffic is asked of the drivers that count it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from secnet.agent.attach.plugin_calls import Plugins
from secnet.agent.config.settings import Settings
from secnet.agent.model.record import Phase
from secnet.agent.observe._traffic import traffic_of
from secnet.contract import AttachmentId, Call, NetworkDriver, Traffic, Unavailable
from secnet_testing.contract_objects import record
from secnet_testing.scripted_plugins import Script, toy_registry

SEEN = Traffic(received_bytes=1, received_packets=2, sent_bytes=3, sent_packets=4)


def plugins(**methods: Any) -> Plugins:
    toys = toy_registry(Script())
    cls: Any = type("Toy", (toys.drivers["toy"].cls,), methods)
    toys = dataclasses.replace(toys, drivers={"toy": dataclasses.replace(toys.drivers["toy"], cls=cls)})
    return Plugins(toys, Settings(node_name="n"), objects=None)  # type: ignore[arg-type]  # no toy asks for objects


def test_living_interfaces_of_pods_are_asked_for_at_once() -> None:
    asked: list[tuple[str, ...]] = []

    def traffic(driver: NetworkDriver, call: Call) -> Mapping[AttachmentId, Traffic]:
        asked.append(tuple(each.key.ifname for each in call.attachments))
        return {each.key: SEEN for each in call.attachments if each.key.ifname != "eth2"}

    records = (record("eth1"), record("eth2"), record("eth3", phase=Phase.DETACHING))
    found = list(traffic_of(plugins(traffic=traffic), records))
    assert asked == [("eth1", "eth2")]
    assert [(each.key.ifname, seen) for each, seen in found] == [("eth1", SEEN)]


def test_a_driver_that_fails_or_does_not_count_has_none() -> None:
    def fail(driver: NetworkDriver, call: Call) -> Mapping[AttachmentId, Traffic]:
        raise Unavailable("away")

    assert list(traffic_of(plugins(traffic=fail), (record(),))) == []
    assert list(traffic_of(plugins(), (record(),))) == []
