"""What the SR-IOV types say of themselves, and how they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet.contract import (
    Attachment,
    AttachRequest,
    Call,
    HostContext,
    Inventory,
    NetnsRef,
    NetworkRef,
    Unsupported,
)
from secnet_sriov import SriovDriver, SriovSfDriver, SriovVfDriver

ALL = [SriovDriver, SriovVfDriver, SriovSfDriver]


@pytest.mark.parametrize("cls", ALL)
def test_each_type_needs_a_device_and_knows_vlans(cls: type[SriovDriver]) -> None:
    info = cls.describe()
    assert info.needs_device
    assert info.vlan
    assert info.capabilities == {"mac", "mtu"}


def test_the_options_are_those_of_the_documents() -> None:
    assert set(SriovDriver.describe().options["properties"]) == {
        "vlan",
        "vlanQoS",
        "vlanProto",
        "spoofchk",
        "trust",
        "linkState",
        "minTxRate",
        "maxTxRate",
    }


@pytest.mark.parametrize("cls", ALL)
def test_not_ready_is_said_and_every_use_is_refused(cls: type[SriovDriver], tmp_path: Path) -> None:
    driver, call = cls(HostContext(node_name="n", run_dir=tmp_path)), Call()
    report = driver.probe()
    assert not report.ready
    assert "not implemented" in report.message
    request = AttachRequest(
        container_id="c1",
        ifname="eth1",
        network=NetworkRef(namespace="default", name="fast"),
        network_type=cls.network_type,
        netns=NetnsRef(path="/run/netns/none", device=1, inode=2),
    )
    attachment = Attachment(request=request)
    for method, subject in (
        (driver.plan, request),
        (driver.attach, attachment),
        (driver.check, attachment),
        (driver.detach, attachment),
    ):
        with pytest.raises(Unsupported, match="not implemented") as raised:
            method(subject, call)  # type: ignore[operator]
        assert raised.value.subject == "NetworkAttachmentDefinition default/fast"
        assert raised.value.hint
    assert driver.inventory(call) == Inventory()
    driver.close()
