"""Names: golden values, because a change here would orphan every living link."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from secnet.contract import AttachmentId, InvalidConfig
from secnet.linux.names import ALIAS_MAX, LINK_GROUP, alias_for, host_ifname, mac_for, parse_alias

KEY = AttachmentId(container_id="0f" * 32, ifname="eth1")
GOLDEN = [
    (KEY, "sn7c4347ced17e6", "6a:90:44:30:fe:bc"),
    (AttachmentId(container_id="0f" * 32, ifname="eth2"), "sncf36985c9023e", "5e:ec:1a:47:13:5a"),
    (AttachmentId(container_id="pod", ifname="net-with-15char"), "sn34edb282a5512", "1a:05:0a:97:7c:13"),
]
PARTS = st.text(
    st.characters(codec="ascii", exclude_characters="\0:/", exclude_categories=["Cc"]), min_size=1, max_size=64
)


@pytest.mark.parametrize(("key", "ifname", "mac"), GOLDEN)
def test_golden_values(key: AttachmentId, ifname: str, mac: str) -> None:
    assert host_ifname(key) == ifname
    assert mac_for(key) == mac


@pytest.mark.smoke
def test_the_link_group_never_changes() -> None:
    assert LINK_GROUP == 1516


def test_the_prefix_is_kept_and_the_name_fits() -> None:
    for prefix in ("s", "sn", "snvf-"):
        name = host_ifname(KEY, prefix)
        assert name.startswith(prefix)
        assert len(name) == 15
        assert host_ifname(KEY, "s")[1:].startswith(name[len(prefix) :])
    with pytest.raises(ValueError, match="1 to 5 characters"):
        host_ifname(KEY, "secnet")


def test_the_parts_of_a_key_are_kept_apart() -> None:
    assert host_ifname(AttachmentId(container_id="ab", ifname="c")) != host_ifname(
        AttachmentId(container_id="a", ifname="bc")
    )


@given(PARTS, PARTS)
def test_a_mac_is_local_and_unicast(container_id: str, ifname: str) -> None:
    first = int(mac_for(AttachmentId(container_id=container_id, ifname=ifname))[:2], 16)
    assert first & 0x03 == 0x02


@given(PARTS, PARTS, PARTS)
def test_an_alias_reads_back(tag: str, container_id: str, ifname: str) -> None:
    key = AttachmentId(container_id=container_id, ifname=ifname)
    assert parse_alias(alias_for(tag, key)) == (tag, key)


@pytest.mark.parametrize(
    "text", ["", "uplink to rack 4", "secnet:", "secnet:abc", "secnet:/eth1", ":abc/eth1", "secnet:abc/"]
)
def test_other_aliases_are_not_ours(text: str) -> None:
    assert parse_alias(text) is None


def test_an_alias_that_the_kernel_would_refuse_is_refused_here() -> None:
    tag = "t" * (ALIAS_MAX - len(f":{KEY}"))
    assert len(alias_for(tag, KEY)) == ALIAS_MAX
    with pytest.raises(InvalidConfig, match="longer than"):
        alias_for(tag + "t", KEY)
    for bad in ("", "a:b"):
        with pytest.raises(InvalidConfig, match="owner tag"):
            alias_for(bad, KEY)
