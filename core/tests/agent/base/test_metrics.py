"""Where nothing is measured, everything may still be called."""

from __future__ import annotations

from threading import Event

import pytest
from secnet.agent.base.metrics import Metrics, Sources
from secnet.contract import Busy


def test_it_forgets_all_and_swallows_nothing() -> None:
    metrics = Metrics()
    metrics.on_call("get", "Pod", 200, 0.1)
    metrics.on_entry_written()
    metrics.observe(Sources())
    with metrics.operation("attach", "vlan"), metrics.phase("attach", "vlan", "plan"):
        pass
    with pytest.raises(Busy), metrics.operation("attach", "vlan"):
        raise Busy("no address")
    assert metrics.page() == b""
    metrics.close()
    metrics.close()


def test_sources_that_are_not_given_are_empty() -> None:
    sources = Sources()
    assert [*sources.records(), *sources.reports(), *sources.ipam_types()] == []
    assert (sources.queue_length(), sources.queue_age(), sources.pool_usage("x", Event())) == (0, 0.0, ())
