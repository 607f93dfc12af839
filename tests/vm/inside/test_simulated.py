"""Attributes that no emulated card takes, on a simulated one. Its module is built from the kernel's sources: 150 MB once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from secnet.linux.rtnl import host_rtnl
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


def test_our_messages_set_them_too(card: str) -> None:
    """The driver's own way to the card. A simulated function is no device of any bus, so no Pod can have it."""
    with host_rtnl() as kernel:
        link = kernel.link(card)
        assert link is not None
        kernel.set_vf_link_state(link.index, 1, "disable")
        kernel.set_vf_vlan(link.index, 1, 55, 2, "802.1ad")
        kernel.set_vf_rate(link.index, 1, 10, 100)
        one, two = (kernel.virtual_function(link.index, number) for number in (0, 1))
    assert (two.link_state, two.vlan, two.qos, two.proto) == ("disable", 55, 2, "802.1ad")
    assert (two.min_tx_rate, two.max_tx_rate) == (10, 100)
    assert (one.link_state, one.vlan, one.min_tx_rate) == ("auto", 0, 0), "the other one is as it was"
