"""Metrics are counted where they are wanted, by packages of the extra."""

from __future__ import annotations

import sys

import pytest
from secnet.agent.base.metrics import Metrics
from secnet.agent.process.metrics import make_metrics
from secnet.contract import NotReady


def test_counted_only_if_wanted() -> None:
    assert type(make_metrics(False)) is Metrics
    counted = make_metrics(True)
    assert b"secnet" in counted.page()
    counted.close()


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("secnet.agent.observe.prometheus")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)  # no environment of the tests lacks it
    with pytest.raises(NotReady, match="prometheus_client") as caught:
        make_metrics(True)
    assert "the extra `cluster`" in caught.value.hint
