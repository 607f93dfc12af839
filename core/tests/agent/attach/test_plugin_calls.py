"""The living plugins of one agent: made once, and closed whatever one of them does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from secnet.agent.attach.plugin_calls import Plugins
from secnet.agent.config.settings import Settings
from secnet.agent.plugins import calls
from secnet.agent.plugins.calls import PluginStuck
from secnet.agent.plugins.registry import Registry
from secnet.contract import Call, ContractViolation, IPAMBackend, IpamOwner, IpamRequest, Unsupported, thaw
from secnet_testing.contract_objects import network
from secnet_testing.sample_plugins import sample_entry_points
from secnet_testing.scripted_plugins import Script, toy_registry


@pytest.fixture
def registry() -> Registry:
    return toy_registry(Script())


def living(registry: Registry) -> Plugins:
    return Plugins(registry, Settings(node_name="n"), objects=None)  # type: ignore[arg-type]


def failing(words: str) -> Callable[..., Any]:
    def run(*_: Any) -> Any:
        raise OSError(words)

    return run


def test_a_plugin_is_made_once(registry: Registry) -> None:
    plugins = living(registry)
    assert plugins.driver("toy") is plugins.driver("toy")
    assert plugins.backend("pool") is plugins.backend("pool")


def test_a_constructor_that_failed_is_called_again(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = living(registry)
    with monkeypatch.context() as broken:
        broken.setattr(registry.drivers["toy"].cls, "__init__", failing("no disk"))
        with pytest.raises(ContractViolation, match="raised OSError from __init__: no disk"):
            plugins.driver("toy")
    assert plugins.driver("toy").probe().ready


def test_a_backend_is_given_its_section_of_the_node_configuration() -> None:
    settings = Settings(node_name="n1", drivers={"pools": {"reserve": 9}}, backends={"pools": {"reserve": 2}})
    plugins = Plugins(Registry.load(sample_entry_points), settings, {})  # type: ignore[arg-type]  # a store that none asks
    assert thaw(plugins.backend("pools").host.config) == {"reserve": 2}
    plugins.close()


def test_what_is_not_installed_is_named_with_what_is(registry: Registry) -> None:
    with pytest.raises(Unsupported, match=r"no driver for network type 'wire' is installed \(installed: toy\)"):
        living(registry).driver("wire")


def test_one_that_fails_to_close_keeps_no_other_open(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    monkeypatch.setattr(registry.drivers["toy"].cls, "close", failing("stuck"))
    monkeypatch.setattr(registry.backends["pool"].cls, "close", lambda backend: closed.append("pool"))
    plugins = living(registry)
    plugins.driver("toy")
    plugins.backend("pool")
    with pytest.raises(ContractViolation, match=r"1 plugins failed to close.*raised OSError from close: stuck"):
        plugins.close()
    assert closed == ["pool"]
    plugins.close()


def test_a_release_that_hangs_keeps_nothing_waiting(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patched: the time after the deadline, which is three seconds."""
    monkeypatch.setattr(calls, "GRACE_SECONDS", 0.02)
    gate, released = threading.Event(), list[IpamRequest]()

    def release(backend: IPAMBackend, request: IpamRequest, call: Call) -> None:
        released.append(request)
        gate.wait(30)

    monkeypatch.setattr(registry.backends["pool"].cls, "release", release)
    plugins = living(registry)
    request = IpamRequest(owner=IpamOwner(container_id="c1", ifname="eth1"), network=network(), config={})
    try:
        for _ in range(2):
            with pytest.raises(PluginStuck, match="has not returned from release"):
                plugins.release_unheld("pool", request, Call.within(0.01))
        assert released == [request], "it is not called again before it returns"
    finally:
        gate.set()
