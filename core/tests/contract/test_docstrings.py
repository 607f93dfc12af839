"""Each method of the two contracts says what holds for its end: by the call's deadline, or why it needs none."""

from __future__ import annotations

import inspect

import pytest
from secnet.contract import IPAMBackend, NetworkDriver

METHODS = [
    (cls.__name__, name)
    for cls in (NetworkDriver, IPAMBackend)
    for name, value in vars(cls).items()
    if not name.startswith("_") and callable(getattr(value, "__func__", value))
]


@pytest.mark.parametrize(("cls", "name"), METHODS)
def test_a_method_states_its_duty_about_the_deadline(cls: str, name: str) -> None:
    method = getattr({"NetworkDriver": NetworkDriver, "IPAMBackend": IPAMBackend}[cls], name)
    text = inspect.getdoc(method) or ""
    assert "deadline" in text, f"{cls}.{name} does not say what holds for its deadline"
    if "call" in inspect.signature(method).parameters:
        assert "Cancelled" in text or "withdrawn" in text, f"{cls}.{name} gets a call and does not say what ends it"
