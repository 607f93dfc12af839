"""Attributes that no emulated card takes, on a simulated one. Its module is built from the kernel's sources: 150 MB once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from secnet_testing.netns import run_in
from secnet_testing.vm.simulated import simulated_card

pytestmark = pytest.mark.vm_guest(modules=("netdevsim",))


@pytest.fixture
def card() -> Iterator[str]:
    with simulated_card(2) as link:
        yield link


def test_a_simulated_card_takes_what_the_emulated_one_refuses(card: str) -> None:
    run_in(None, ["ip", "link", "set", card, "vf", "1", "state", "disable"])
    run_in(None, ["ip", "link", "set", card, "vf", "1", "vlan", "55", "qos", "2", "proto", "802.1ad"])
    run_in(None, ["ip", "link", "set", card, "vf", "1", "min_tx_rate", "10", "max_tx_rate", "100"])
    (shown,) = json.loads(run_in(None, ["ip", "-j", "-d", "link", "show", card]))
    info: dict[str, Any] = shown["vfinfo_list"][1]
    assert info["link_state"] == "disable"
    assert info["vlan_list"] == [{"vlan": 55, "qos": 2, "protocol": "802.1ad"}]
    assert info["rate"] == {"max_tx": 100, "min_tx": 10}
