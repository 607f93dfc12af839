"""The network-status annotation."""

import json

import pytest
from secnet.agent.status._network_status import default_entry, has_ours, merge_status, same_status
from secnet_testing.contract_objects import record

TAG = "secnet"
DEFAULT = default_entry(TAG, ["10.244.0.5"], "02:aa:00:00:00:01")


def _merge(current: object, *records: object) -> list[dict[str, object]] | None:
    text = merge_status(None if current is None else json.dumps(current), records, DEFAULT, TAG)  # type: ignore[arg-type]
    return None if text is None else json.loads(text)


def test_an_entry_is_written_as_its_clients_read_it() -> None:
    merged = _merge(None, record(addresses=("10.0.0.2/24", "fd00::2/64")))
    assert merged is not None
    assert merged[1] == {
        "name": "default/blue",
        "interface": "eth1",
        "ips": ["10.0.0.2", "fd00::2"],
        "mac": "02:00:00:00:00:01",
        "mtu": 1500,
        "default": False,
        "dns": {},
        "secnet.io/owner": TAG,
    }


def test_there_is_exactly_one_default_entry() -> None:
    merged = _merge(None, record())
    assert merged is not None
    assert [entry for entry in merged if entry["default"]] == [DEFAULT]
    theirs = {"name": "cbr0", "interface": "eth0", "default": True, "dns": {}}
    assert [entry for entry in _merge([theirs], record()) or [] if entry["default"]] == [theirs]


def test_entries_of_other_writers_survive() -> None:
    other = {"name": "default/macvlan", "interface": "net1", "default": False}
    before = [other, {"name": "default/old", "interface": "eth9", "secnet.io/owner": TAG}]
    merged = _merge(before, record())
    assert merged is not None
    assert other in merged
    assert not [entry for entry in merged if entry["name"] == "default/old"]


def test_an_entry_of_the_same_name_and_interface_gives_way() -> None:
    merged = _merge([{"name": "default/blue", "interface": "eth1", "ips": ["9.9.9.9"]}], record())
    assert merged is not None
    assert [entry.get("ips") for entry in merged if entry["interface"] == "eth1"] == [None]


def test_without_attachments_ours_go_and_theirs_stay() -> None:
    assert _merge([DEFAULT]) is None
    theirs = {"name": "cbr0", "default": True}
    assert _merge([theirs, DEFAULT]) == [theirs]


def test_an_unreadable_annotation_counts_as_empty() -> None:
    text = merge_status("{not json", [record()], DEFAULT, TAG)
    assert text is not None
    assert len(json.loads(text)) == 2


@pytest.mark.parametrize(
    "odd",
    [
        '{"name": "x", "interface": [1]}',
        '{"name": {}}',
        '{"name": "x", "a": ' + "[" * 600 + "]" * 600 + "}",
        "[" * 99_999,
    ],
    ids=["interface", "name", "deep", "endless"],
)
def test_what_no_client_can_read_is_dropped_alone(odd: str) -> None:
    text = merge_status(f'[{odd}, {{"name": "y"}}]', [record()], DEFAULT, TAG)
    assert text is not None
    names = [entry["name"] for entry in json.loads(text)]
    assert [name for name in names if name != "y"] == ["default", "default/blue"]
    assert ("y" in names) == (odd[-1] == "}")
    assert not has_ours(f"[{odd}]", TAG)


def test_a_requested_default_route_is_reported_under_the_key_gateway() -> None:
    merged = _merge(None, record(addresses=("10.0.0.2/24",), attachment_options={"default_route": ("10.0.0.1",)}))
    assert merged is not None
    assert merged[1]["gateway"] == ["10.0.0.1"]


def test_an_annotation_of_others_is_distinguished_from_ours() -> None:
    theirs = '[{"name": "a", "interface": "net1", "default": true},\n{"name": "b"}]'
    assert not has_ours(theirs, "secnet")
    assert not has_ours("no JSON", "secnet")
    assert has_ours('[{"name": "a", "secnet.io/owner": "secnet"}]', "secnet")


def test_the_layout_of_the_json_makes_no_difference() -> None:
    assert same_status('[{"name": "a"}]', '[\n  {"name": "a"}\n]')
    assert not same_status('[{"name": "a"}]', '[{"name": "b"}]')
    assert not same_status(None, "[]")
    assert same_status(None, None)
