"""Interface names: by position, explicit ones first, living ones kept, malformed elements counted."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from secnet.agent.model.limits import Limits
from secnet.agent.model.selection import Named, Selection, SelectionId
from secnet.agent.networks.annotation import InvalidAnnotation, parse_networks
from secnet.agent.networks.desired import assign_names
from secnet.contract import Conflict, NetworkRef, from_json, to_json


def named(text: str, recorded: dict[SelectionId, str] | None = None) -> tuple[Named, ...]:
    return assign_names(parse_networks(text, "d"), recorded or {})


def selection_id(name: str, interface: str = "", ordinal: int = 0) -> SelectionId:
    return SelectionId(network=NetworkRef(namespace="d", name=name), interface=interface, ordinal=ordinal)


def test_names_by_position_with_explicit_ones_reserved_first() -> None:
    assert [item.ifname for item in named("a,b,c@eth1,d@eth3,e")] == ["eth2", "eth4", "eth1", "eth3", "eth5"]


def test_the_same_network_twice_is_two_attachments() -> None:
    found = named("a,a,a@net1,a")
    assert [item.selection_id for item in found] == [
        selection_id("a"),
        selection_id("a", "", 1),
        selection_id("a", "net1"),
        selection_id("a", "", 2),
    ]
    assert [item.ifname for item in found] == ["eth1", "eth2", "net1", "eth3"]


def test_an_interface_used_twice_fails_only_the_later_selection() -> None:
    found = named("a@net1,b,c@net1")
    assert [item.error is None for item in found] == [True, True, False]
    assert isinstance(found[2].error, Conflict)
    assert found[2].error.path == "$[2].interface"
    assert "d/a" in found[2].error.message
    assert "$[0]" in found[2].error.message


def test_two_selections_alike_in_all_still_have_their_own_identity() -> None:
    found = named("a@net1,a@net1")
    assert found[0].selection_id != found[1].selection_id
    assert found[1].error is not None


def test_duplicate_macs_fail_the_later_selection_whatever_their_case() -> None:
    elements = [{"name": "a", "mac": "0A:00:00:00:00:01"}, {"name": "b"}, {"name": "c", "mac": "0a-00-00-00-00-01"}]
    found = named(json.dumps(elements))
    assert [item.error is None for item in found] == [True, True, False]
    assert found[2].error is not None
    assert found[2].error.path == "$[2].mac"
    assert [item.ifname for item in found] == ["eth1", "eth2", "eth3"]


def test_living_attachments_keep_their_names() -> None:
    recorded = {selection_id("a"): "eth1", selection_id("c"): "eth3"}
    assert [item.ifname for item in named("new,c,a", recorded)] == ["eth2", "eth3", "eth1"]


def test_a_living_attachment_wins_over_a_new_explicit_request() -> None:
    found = named("new@eth1,a", {selection_id("a"): "eth1"})
    assert found[1].ifname == "eth1"
    assert found[1].error is None
    assert isinstance(found[0].error, Conflict)


def test_a_living_attachment_keeps_its_mac_from_a_new_earlier_selection() -> None:
    elements = [{"name": "new", "mac": "0a:00:00:00:00:01"}, {"name": "a", "mac": "0a:00:00:00:00:01"}]
    found = named(json.dumps(elements), {selection_id("a"): "eth1"})
    assert [type(item.error) for item in found] == [Conflict, type(None)]


def test_the_hundred_and_first_has_no_name_left() -> None:
    found = assign_names(parse_networks(",".join(["a"] * 101), "d", Limits(networks_per_pod=101)), {})
    assert found[99].ifname == "eth100"
    assert (found[100].ifname, type(found[100].error)) == ("", Conflict)


def test_a_selection_id_survives_the_journal() -> None:
    assert from_json(SelectionId, to_json(selection_id("a", "net1", 3))) == selection_id("a", "net1", 3)


def test_a_malformed_selection_takes_its_place_so_that_a_correction_shifts_no_name() -> None:
    wrong = [{"name": "a"}, {"name": "b", "mac": "x"}, {"name": "C"}, {"name": "d", "interface": "net1", "ips": []}]
    right = [{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d", "interface": "net1"}]
    found = named(json.dumps([*wrong, {"name": "e"}]))
    assert [item.ifname for item in found] == ["eth1", "eth2", "eth3", "net1", "eth4"]
    assert [item.error is None for item in found] == [True, False, False, False, True]
    assert [item.ifname for item in named(json.dumps([*right, {"name": "e"}]))] == [item.ifname for item in found]


def test_an_interface_name_that_cannot_be_read_takes_none_of_the_automatic_ones() -> None:
    found = named(json.dumps([{"name": "a", "interface": "eth/5"}, {"name": "b"}]))
    assert [item.ifname for item in found] == ["", "eth1"]


def test_a_malformed_selection_still_holds_its_interface_name_and_mac() -> None:
    first = {"name": "a", "interface": "net1", "mac": "0a:00:00:00:00:01", "ips": "x"}
    found = named(json.dumps([first, {"name": "b", "interface": "net1"}, {"name": "c", "mac": "0a:00:00:00:00:01"}]))
    assert [item.error.path if item.error else "" for item in found] == ["$[0].ips", "$[1].interface", "$[2].mac"]


def test_of_two_default_routes_the_later_one_fails() -> None:
    found = named('[{"name": "a", "default-route": []}, {"name": "b"}, {"name": "c", "default-route": ["10.0.0.1"]}]')
    assert [item.error.path if item.error else "" for item in found] == ["", "", "$[2].default-route"]
    assert isinstance(found[2].error, InvalidAnnotation)
    assert "$[0]" in found[2].error.message


def test_a_living_default_route_wins_over_an_earlier_new_one() -> None:
    text = '[{"name": "new", "default-route": []}, {"name": "a", "default-route": []}]'
    found = named(text, {selection_id("a"): "eth1"})
    assert [item.error.path if item.error else "" for item in found] == ["$[0].default-route", ""]


@pytest.mark.parametrize(
    ("element", "certain"),
    [
        ({"name": "a", "mac": "x"}, True),
        ({"name": "a", "interface": "net1", "ips": "x"}, True),
        ({"name": "A"}, False),
        ({"name": "a", "namespace": 1}, False),
        ({"name": "a", "interface": "x/y"}, False),
        ({"name": "a", "interfase": "net1"}, False),
        ({"interface": "net1"}, False),
        (None, False),
    ],
)
def test_only_what_says_network_and_interface_is_identified(element: object, certain: bool) -> None:
    (found,) = named(json.dumps([element]), {selection_id("other"): "eth1"})
    assert found.unidentified is not certain


def test_a_misspelled_selection_takes_the_place_of_what_it_may_mean() -> None:
    recorded = {selection_id("a"): "eth1", selection_id("b", "net1"): "net1", selection_id("c"): "eth2"}
    found = named(
        json.dumps([{"name": "a"}, {"name": "b", "interfase": "net1"}, {"name": "c"}, {"name": "d"}]), recorded
    )
    assert [item.ifname for item in found] == ["eth1", "net1", "eth2", "eth3"]
    assert [item.unidentified for item in found] == [False, True, False, False]
    found = named(json.dumps([{"name": "a"}, {"name": "B"}, {"name": "c"}, {"name": "d"}]), recorded)
    assert [item.ifname for item in found] == ["eth1", "net1", "eth2", "eth3"]


def test_while_an_selection_is_not_identified_no_name_of_a_living_attachment_is_given_away() -> None:
    recorded = {selection_id("a"): "eth1", selection_id("b"): "eth2"}
    found = named(json.dumps([{"name": "x", "interfase": "eth1"}, {"name": "new"}]), recorded)
    assert [item.ifname for item in found] == ["eth3", "eth4"]


PLAN = st.lists(
    st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.sampled_from(["eth1", "eth2", "net1"]))), max_size=12
)


@given(PLAN, PLAN)
def test_names_are_unique_and_stable_across_edits(
    before: list[tuple[str, str | None]], after: list[tuple[str, str | None]]
) -> None:
    first = assign_names(selections(before), {})
    living = {item.selection_id: item.ifname for item in first if item.error is None}
    second = assign_names(selections(after), living)
    for found in (first, second):
        given_names = [item.ifname for item in found if item.error is None]
        assert len(given_names) == len(set(given_names))
        assert len({item.selection_id for item in found}) == len(found)
    for item in second:
        if item.selection_id in living:
            assert (item.ifname, item.error) == (living[item.selection_id], None)


def selections(plan: list[tuple[str, str | None]]) -> tuple[Selection, ...]:
    return tuple(
        Selection(index=index, network=NetworkRef(namespace="d", name=name), interface=interface)
        for index, (name, interface) in enumerate(plan)
    )


@pytest.mark.parametrize("count", [1, 5, 100])
def test_names_without_requests_are_consecutive(count: int) -> None:
    assert [item.ifname for item in named(",".join(["a"] * count))] == [f"eth{n}" for n in range(1, count + 1)]
