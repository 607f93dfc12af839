"""What a plugin raises or returns against its contract."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.plugins._guard import checked, guarded, line_of, tuple_of
from secnet.agent.plugins.registry import Registry
from secnet.contract import Busy, ContractViolation
from secnet_testing.sample_plugins import sample_entry_points

PLUGIN = Registry.load(sample_entry_points).drivers["vlan"]


@pytest.mark.parametrize("fault", [ValueError("odd"), SystemExit(3)])
def test_anything_but_an_error_of_the_contract_is_a_violation(fault: BaseException) -> None:
    def fail() -> Any:
        raise fault

    with pytest.raises(ContractViolation, match=f"raised {type(fault).__name__} from attach") as caught:
        guarded(PLUGIN, "attach", fail)
    assert PLUGIN.label in caught.value.message


def test_an_error_of_the_contract_passes() -> None:
    def busy() -> Any:
        raise Busy("held")

    with pytest.raises(Busy, match="held"):
        guarded(PLUGIN, "attach", busy)


def test_results_are_of_the_promised_type() -> None:
    assert checked(PLUGIN, "probe", str, lambda: "x") == "x"
    assert tuple_of(PLUGIN, "lock_keys", str, lambda: ("a",)) == ("a",)
    wrong: Any = 5
    with pytest.raises(ContractViolation, match="returned 5 from probe where str was promised"):
        checked(PLUGIN, "probe", str, lambda: wrong)
    with pytest.raises(ContractViolation, match="where a tuple of str was promised"):
        tuple_of(PLUGIN, "lock_keys", str, lambda: ("a", wrong))


def test_the_line_is_the_innermost_of_the_package() -> None:
    with pytest.raises(TypeError) as caught:
        PLUGIN.cls.describe(1)  # type: ignore[call-arg]
    assert line_of(caught.value, "no_such_package") is None
    assert line_of(caught.value, __name__) is not None
