"""What comes out of a plugin, whichever of its methods is called; test_guarded.py has each method."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from secnet.agent.plugins import calls as module
from secnet.agent.plugins._boundary import Boundary, line_of
from secnet.agent.plugins.calls import PluginCalls, PluginStuck
from secnet.contract import Busy, Call, ContractViolation
from secnet_testing.scripted_plugins import Script, fail, toy_registry

Way = Callable[[Boundary, Callable[[], Any]], Any]

WAYS: dict[str, Way] = {
    "held": lambda into, deed: into.held("attach", int, deed, Call.within(5)),
    "apart": lambda into, deed: into.apart("attach", int, deed, Call.within(5)),
    "pure": lambda into, deed: into.pure("attach", int, deed),
    "free": lambda into, deed: into.free("attach", int, deed, Call()),
}


@pytest.fixture
def into() -> Boundary:
    return Boundary(toy_registry(Script()).drivers["toy"])


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_whatever_the_way_a_plugin_is_blamed_for_what_it_does_wrong(into: Boundary, way: Way) -> None:
    assert way(into, lambda: 7) == 7
    with pytest.raises(Busy, match="in use"):
        way(into, fail(Busy("in use")))
    for error in (KeyError("x"), SystemExit(3)):
        with pytest.raises(ContractViolation, match=r"driver toy \(toy-dist 1\.2\) raised \w+ from attach") as caught:
            way(into, fail(error))
        assert caught.value.__cause__ is error
    with pytest.raises(ContractViolation, match=r"returned 'no' from attach where int was promised"):
        way(into, lambda: "no")


def test_each_item_of_a_tuple_is_checked(into: Boundary) -> None:
    assert into.each((1, 2), "doctor", int) == (1, 2)
    with pytest.raises(ContractViolation, match="returned 'no' from doctor where a tuple of int was promised"):
        into.each((1, "no"), "doctor", int)  # type: ignore[arg-type]  # as a plugin does


def test_a_constructor_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patched: the times that it has, or the test would take 13 seconds."""
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.02)
    monkeypatch.setattr("secnet.agent.plugins._boundary._PURE_SECONDS", 0.01)
    gate, calls = threading.Event(), PluginCalls()
    try:
        with pytest.raises(PluginStuck, match="has not returned from __init__"):
            Boundary(toy_registry(Script()).drivers["toy"], calls).make(lambda: gate.wait(30))
    finally:
        gate.set()


def test_the_innermost_line_of_a_package_is_found() -> None:
    with pytest.raises(ContractViolation) as caught:
        Boundary(toy_registry(Script()).drivers["toy"]).held("plan", int, lambda: "no", Call.within(5))
    found = line_of(caught.value, "secnet.agent")
    assert found is not None
    assert found[0].endswith("_boundary.py")
    assert line_of(caught.value, "another_package") is None
