"""Whose link it is, and what a driver's inventory makes of a mark. Silencing: test_veths.py and test_nodelinks.py."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import pytest
from secnet.contract import (
    Attachment,
    AttachmentId,
    Call,
    DeviceRef,
    Finding,
    HostContext,
    VerifyFailed,
    from_json,
    to_json,
)
from secnet.linux.names import LINK_GROUP
from secnet.linux.ownership import is_marked, rebuilt, require_clean, silence
from secnet.linux.rtnl import Link
from secnet_conformance.steps import Recorder

KEY = AttachmentId(container_id="c1", ifname="eth1")
LINK = Link(
    index=7,
    name="sn0",
    mac="02:00:00:00:00:01",
    mtu=1500,
    up=False,
    carrier=False,
    running=False,
    kind="veth",
    group=0,
    alias="",
    master=0,
    lower=0,
    peer_index=8,
    min_mtu=0,
    max_mtu=0,
    permanent_mac="",
    parent_bus="",
    parent_device="",
    flags=0,
)


@pytest.mark.parametrize(
    ("kind", "alias", "group", "ours"),
    [
        ("veth", "secnet:c1/eth1", LINK_GROUP, True),
        ("veth", "secnet:c1/eth1", 0, True),
        ("veth", "", LINK_GROUP, True),
        ("veth", "", 0, False),
        ("veth", "secnet:c1/eth2", LINK_GROUP, False),
        ("bridge", "secnet:c1/eth1", LINK_GROUP, False),
        ("bridge", "", LINK_GROUP, False),
    ],
)
def test_a_link_is_marked_by_its_alias_and_until_it_has_one_by_its_group(
    kind: str, alias: str, group: int, ours: bool
) -> None:
    link = dataclasses.replace(LINK, kind=kind, alias=alias, group=group)
    assert is_marked(link, "veth", "secnet:c1/eth1") == ours


def test_the_first_finding_of_what_was_made_is_an_error() -> None:
    findings = [Finding(code="One", message="one thing"), Finding(code="Two", message="two things")]
    with pytest.raises(VerifyFailed, match="one thing") as caught:
        require_clean(iter(findings), "link sn0")
    assert (caught.value.subject, bool(caught.value.hint)) == ("link sn0", True)
    require_clean((), "link sn0")


def test_what_is_rebuilt_from_a_key_can_be_written_down() -> None:
    device = DeviceRef(id="0000:3b:02.1")
    made = rebuilt(KEY, "wire", {"host": "sn0"}, options={"bridge": "br0"}, device=device, mtu=1400)
    assert (made.key, made.request.network_type, dict(made.names), made.mtu) == (KEY, "wire", {"host": "sn0"}, 1400)
    assert (dict(made.request.options), made.request.device) == ({"bridge": "br0"}, device)
    assert from_json(Attachment, to_json(made)) == made
    assert dict(rebuilt(KEY, "wire", {}).request.options) == {}


def test_a_host_without_ipv6_is_silent_already(tmp_path: Path) -> None:
    """No step, as there is no change."""
    (tmp_path / "sys/net/ipv4").mkdir(parents=True)
    steps = Recorder()
    host = HostContext(node_name="node", run_dir=tmp_path, proc_root=tmp_path)
    silence("sn0", "veth.silence", host, Call(observers=(steps,), log=logging.getLogger("test")))
    assert steps.names == []
