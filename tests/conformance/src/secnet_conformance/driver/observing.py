"""What a driver says of the node, and what it adds to doctor and metrics: data of the promised shape, and nothing is changed."""

from __future__ import annotations

import json
import threading
from contextlib import suppress

from secnet.contract import (
    Call,
    Cancelled,
    ComponentState,
    NetworkDriver,
    NodeObservation,
    from_json,
    to_json,
)

from ..additions import must_be_metrics, must_be_results
from ..steps import Recorder
from ..suite import applies
from .lab import DriverLab, DriverTests, unchanged

__all__ = ["Observing"]

_END_SECONDS = 10.0
"""How long after its end a watch may go on; generous, as it only separates an end from a hang."""


def _without_events(case: object) -> str:
    driver = case.driver  # type: ignore[attr-defined]
    return "the driver has no watch_node" if driver.watch_node is NetworkDriver.watch_node else ""


class Observing(DriverTests):
    """Each of these methods has a default, with which all of this holds."""

    group = "observing"

    def test_observing_the_node_changes_nothing(self, lab: DriverLab) -> None:
        driver, steps = lab.driver(), Recorder()
        before = lab.picture()
        seen = driver.observe_node(lab.call(steps))
        assert isinstance(seen, NodeObservation), f"observe_node returned {seen!r}"
        assert steps.names == [], "steps of observe_node"
        unchanged(before, lab.picture(), "after observe_node")
        assert lab.driver().observe_node(lab.call()) == seen, (
            "nothing changed, and another instance sees something else"
        )
        read = from_json(NodeObservation, json.loads(json.dumps(to_json(seen))))
        assert read == seen, "the observation is another one after JSON"

    def test_components_are_named_and_explained(self, lab: DriverLab) -> None:
        components = lab.driver().observe_node(lab.call()).components
        names = [(item.kind, item.name) for item in components]
        assert len(set(names)) == len(names), f"two components of one kind and name: {names}"
        for item in components:
            assert item.kind, f"a component without a kind: {item}"
            assert item.name, f"a component without a name: {item}"
            assert isinstance(item.state, ComponentState), f"{item.state!r} is no ComponentState"
            assert bool(item.message) == (item.state is not ComponentState.UP), (
                f"a message says why it is not UP: {item}"
            )

    @applies(_without_events)
    def test_a_watch_begins_with_an_event_and_ends_with_its_call(self, lab: DriverLab) -> None:
        driver, begun, cancel = lab.driver(), threading.Event(), threading.Event()
        failed: list[BaseException] = []

        def watch() -> None:
            try:
                with suppress(Cancelled):
                    driver.watch_node(begun.set, Call(cancel=cancel))
            except BaseException as exc:
                failed.append(exc)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        came = begun.wait(_END_SECONDS)
        cancel.set()
        thread.join(_END_SECONDS)
        assert not failed, f"watch_node raised {failed[0]!r}"
        assert came, "watch_node did not notify when it began: what changed before is missed"
        assert not thread.is_alive(), "watch_node goes on after its call was withdrawn"

    def test_its_own_checks_are_results_and_change_nothing(self, lab: DriverLab) -> None:
        driver, steps = lab.driver(), Recorder()
        before = lab.picture()
        must_be_results(driver.doctor(lab.call(steps)))
        unchanged(before, lab.picture(), "after doctor")
        assert steps.names == [], "steps of doctor"

    def test_its_metrics_can_be_exported(self, lab: DriverLab) -> None:
        driver, steps = lab.driver(), Recorder()
        before = lab.picture()
        must_be_metrics(driver.metrics(lab.call(steps)))
        unchanged(before, lab.picture(), "after metrics")
        assert steps.names == [], "steps of metrics"
