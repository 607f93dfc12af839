"""The guard around plugin code: whatever it raises names the distribution, and ends nothing of ours."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from secnet.agent.attach.plugin_calls import Plugins, guarded
from secnet.agent.config.settings import Settings
from secnet.agent.plugins.registry import LoadedPlugin, Registry
from secnet.agent.text.schema import Validator
from secnet.contract import EMPTY_FRAGMENT, Busy, ContractViolation, thaw
from secnet_testing.sample_plugins import WireDriver, sample_entry_points


@pytest.fixture
def plugin() -> LoadedPlugin[Any]:
    validator = Validator(EMPTY_FRAGMENT, "wire")
    info = WireDriver.describe()
    return LoadedPlugin(
        name="wire", cls=WireDriver, info=info, distribution="wire-dist", version="1.2", options=validator
    )


def test_a_backend_is_given_its_section_of_the_node_configuration() -> None:
    settings = Settings(node_name="n1", drivers={"pools": {"reserve": 9}}, backends={"pools": {"reserve": 2}})
    plugins = Plugins(Registry.load(sample_entry_points), settings, {})  # type: ignore[arg-type]  # a store that none asks
    assert thaw(plugins.backend("pools").host.config) == {"reserve": 2}
    plugins.close()


def _raise(error: BaseException) -> Callable[[], None]:
    def run() -> None:
        raise error

    return run


def test_a_result_is_handed_through(plugin: LoadedPlugin[Any]) -> None:
    assert guarded(plugin, "attach", lambda: 7) == 7


@pytest.mark.parametrize("end", [lambda: sys.exit(3), _raise(KeyError("x"))], ids=["SystemExit", "KeyError"])
def test_what_is_no_error_of_the_contract_names_the_distribution(
    plugin: LoadedPlugin[Any], end: Callable[[], None]
) -> None:
    with pytest.raises(ContractViolation, match=r"driver wire \(wire-dist 1\.2\) raised \w+ from attach") as caught:
        guarded(plugin, "attach", end)
    assert isinstance(caught.value.__cause__, SystemExit | KeyError)


def test_an_error_of_the_contract_is_handed_through(plugin: LoadedPlugin[Any]) -> None:
    with pytest.raises(Busy, match="in use"):
        guarded(plugin, "attach", _raise(Busy("in use")))


def test_who_stops_the_agent_is_no_fault_of_the_plugin(plugin: LoadedPlugin[Any]) -> None:
    with pytest.raises(KeyboardInterrupt):
        guarded(plugin, "attach", _raise(KeyboardInterrupt()))
