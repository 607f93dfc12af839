"""What the SR-IOV types say of themselves, and how they refuse."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from secnet.contract import (
    DRIVER_CAPABILITIES,
    Attachment,
    AttachRequest,
    Call,
    HostContext,
    Inventory,
    NetnsRef,
    NetworkRef,
    Unsupported,
    thaw,
)
from secnet_sriov import SriovDriver, SriovSfDriver, SriovVfDriver

ALL = [SriovDriver, SriovVfDriver, SriovSfDriver]


def valid(data: Any) -> bool:
    return Draft202012Validator(thaw(SriovDriver.describe().options)).is_valid(data)


@pytest.mark.parametrize("cls", ALL)
def test_each_type_needs_a_device_and_has_a_valid_example(cls: type[SriovDriver]) -> None:
    info = cls.describe()
    assert info.needs_device
    assert info.vlan
    assert info.capabilities <= DRIVER_CAPABILITIES
    assert valid(thaw(info.example))


def test_entry_points_are_named_as_the_types() -> None:
    found = {point.name: point.load() for point in entry_points(group="secnet.network_types")}
    assert {cls.describe().network_type: cls for cls in ALL}.items() <= found.items()


def test_the_options_are_closed_and_documented() -> None:
    options = thaw(SriovDriver.describe().options)
    Draft202012Validator.check_schema(options)
    assert set(options["properties"]) == {
        "vlan",
        "vlanQoS",
        "vlanProto",
        "spoofchk",
        "trust",
        "linkState",
        "minTxRate",
        "maxTxRate",
    }
    for name, schema in options["properties"].items():
        assert {"title", "description", "examples"} <= set(schema), name
        assert all(valid({name: example}) for example in schema["examples"]), name


@pytest.mark.parametrize(
    "data",
    [{"vlan": 4095}, {"vlanQoS": 8}, {"vlanProto": "802.1p"}, {"spoofchk": True}, {"linkState": "up"}, {"rate": 1}],
)
def test_invalid_options(data: Any) -> None:
    assert not valid(data)


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
