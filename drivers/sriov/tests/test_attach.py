"""The order of an attach, what is refused, and what comes back afterwards."""

from __future__ import annotations

import dataclasses
import errno
from typing import TYPE_CHECKING, Any

import pytest
from secnet.contract import (
    Busy,
    DeviceRef,
    InvalidConfig,
    NotReady,
    SecnetError,
    Unsupported,
    VerifyFailed,
)
from secnet.linux.errors import from_errno
from secnet.linux.functions import Functions
from secnet.linux.rtnl import Rtnl, host_rtnl
from secnet_sriov.card import Card
from secnet_sriov.netdev import mac_refused
from secnet_sriov.userspace import device_info
from secnet_testing.netns import run_in
from secnet_testing.veth_card import StandInVfDriver

from .conftest import MAC, OTHER_VF, PF, VF

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.kernel

NEW_MAC = "02:aa:bb:cc:dd:01"
ALL = {
    "vlan": 100,
    "vlanQoS": 5,
    "spoofchk": "off",
    "trust": "on",
    "minTxRate": 1,
    "maxTxRate": 9,
    "linkState": "enable",
}


def test_the_order_is_vlan_link_other_attributes_move(lab: Lab) -> None:
    _, result, steps = lab.attach(lab.driver(), lab.new_netns(), ALL, mac=NEW_MAC, mtu=1400)
    assert steps == [
        "device.hold",
        "link.claim",
        "vf.vlan",
        "link.mac",
        "link.mtu",
        "vf.mac",
        "vf.spoofchk",
        "vf.trust",
        "vf.rate",
        "vf.linkstate",
        "link.move",
    ]
    assert (result.mac, result.mtu, result.netdev, result.late_carrier) == (NEW_MAC, 1400, True, True)
    assert lab.kept() == {
        "number": 0,
        "mac": NEW_MAC,
        "vlan": 100,
        "qos": 5,
        "proto": "802.1q",
        "spoofchk": False,
        "trust": True,
        "link_state": "enable",
        "min_tx_rate": 1,
        "max_tx_rate": 9,
    }


def test_all_of_it_is_restored(lab: Lab) -> None:
    before = (lab.kept(), lab.host_link())
    driver, pod = lab.driver(), lab.new_netns()
    attachment, _, _ = lab.attach(driver, pod, ALL, mac=NEW_MAC, mtu=1400)
    driver.detach(attachment, lab.call())
    after = lab.host_link()
    assert lab.kept() == before[0]
    assert after is not None
    assert before[1] is not None
    assert (after.name, after.mac, after.mtu, after.alias) == ("vf0", MAC, 1450, "port")
    assert lab.pod_link(pod) is None


def test_a_link_that_was_up_is_up_again(lab: Lab) -> None:
    run_in(None, ["ip", "link", "set", "vf0", "up"])
    driver, pod = lab.driver(), lab.new_netns()
    attachment, _, _ = lab.attach(driver, pod)
    inside = lab.pod_link(pod)
    assert inside is not None
    assert not inside.up, "the core brings it up, after the addresses"
    driver.detach(attachment, lab.call())
    link = lab.host_link()
    assert link is not None
    assert link.up


def test_a_mac_is_set_even_where_it_reads_so(lab: Lab) -> None:
    """Some cards show the link's own address as the administrative one: a Pod could change it still."""
    lab.card.save(VF, {**lab.card.load(VF), "vf": {**lab.kept(), "mac": NEW_MAC}})
    _, _, steps = lab.attach(lab.driver(), lab.new_netns(), mac=NEW_MAC)
    assert "vf.mac" in steps


def test_the_result_says_which_device_it_is(lab: Lab) -> None:
    _, result, _ = lab.attach(lab.driver(), lab.new_netns(), {"vlan": 100})
    assert result.device_info is not None
    assert dict(result.device_info["pci"]) == {"pci-address": VF, "pf-pci-address": PF}
    assert (result.details["device"], result.details["pf"], result.details["vlan"]) == (VF, PF, 100)


def test_the_result_names_the_rdma_device(lab: Lab) -> None:
    (lab.tree.path(VF) / "infiniband" / "mlx5_3").mkdir(parents=True)
    driver, pod = lab.driver(), lab.new_netns()
    attachment, result, _ = lab.attach(driver, pod)
    assert result.device_info is not None
    assert result.device_info["pci"]["rdma-device"] == "mlx5_3"
    # In the exclusive mode the host does not see what was moved.
    (lab.tree.path(VF) / "infiniband" / "mlx5_3").rmdir()
    function = Functions(lab.tree.root).get(VF)
    assert function is not None
    info = device_info(function, dataclasses.replace(attachment, state={**attachment.state, "rdma": ["mlx5_3"]}))
    assert info == result.device_info


@pytest.mark.parametrize(
    ("refused", "path"),
    [("vlan", "$.vlan"), ("mac", "mac"), ("spoofchk", "$.spoofchk"), ("trust", "$.trust"), ("rate", "$.minTxRate"),
     ("linkState", "$.linkState")],
)  # fmt: skip
def test_a_refusal_names_the_attribute_and_everything_is_restored(lab: Lab, refused: str, path: str) -> None:
    before = lab.kept()
    lab.card.set(VF, refuses=[refused])
    driver, pod = lab.driver(), lab.new_netns()
    attachment = lab.plan(driver, pod, ALL, mac=NEW_MAC, mtu=1400)
    with pytest.raises(Unsupported) as raised:
        driver.attach(attachment, lab.call())
    assert (raised.value.path, raised.value.subject) == (path, "NetworkAttachmentDefinition default/fast")
    assert VF in raised.value.message
    assert raised.value.hint
    driver.detach(attachment, lab.call())
    link = lab.host_link()
    assert link is not None
    assert (link.mac, link.mtu, link.alias) == (MAC, 1450, "port")
    assert lab.kept() == before


def test_what_does_not_read_back_is_no_success(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    driver, pod = lab.driver(), lab.new_netns()
    attachment = lab.plan(driver, pod, {"vlan": 7, "vlanQoS": 2, "trust": "on"})
    # A mock, because it stands for a card that takes a setting and ignores it.
    monkeypatch.setattr(driver.card_class, "set_vf", lambda *_: None)
    with pytest.raises(VerifyFailed, match=r"trust .* off instead of on"):
        driver.attach(attachment, lab.call())


def test_a_driver_that_does_not_follow_restarts(lab: Lab) -> None:
    lab.card.set(VF, reverts=MAC)
    driver, pod = lab.driver(), lab.new_netns()
    attachment, result, steps = lab.attach(driver, pod, {"vlan": 100}, mac=NEW_MAC, mtu=1400)
    assert (result.mac, result.mtu) == (NEW_MAC, 1400)
    assert steps[steps.index("vf.mac") :] == [
        "vf.mac",
        "driver.unbind",
        "driver.bind",
        "link.claim",
        "link.mtu",
        "link.move",
    ]
    driver.detach(attachment, lab.call())
    link = lab.host_link()
    assert link is not None
    assert (link.mac, link.mtu, link.alias) == (MAC, 1450, "port")


def test_a_driver_that_an_attach_left_unbound_is_bound_again(lab: Lab) -> None:
    lab.card.set(VF, reverts=MAC)
    driver, pod = lab.driver(), lab.new_netns()
    attachment = lab.plan(driver, pod, {}, mac=NEW_MAC)
    before = lab.kept()

    class Dies:
        """Ends the attach after the driver let go."""

        def before(self, name: str, facts: Any) -> None:
            if name == "driver.bind":
                raise RuntimeError("dies here")

        def after(self, name: str, facts: Any, seconds: float) -> None: ...

    with pytest.raises(RuntimeError):
        driver.attach(attachment, lab.call(Dies()))
    function = driver._tools.card.functions.get(VF)
    assert function is not None
    assert not function.driver
    lab.driver().detach(attachment, lab.call())
    link = lab.host_link()
    assert link is not None
    assert (link.mac, link.alias) == (MAC, "port")
    assert lab.kept() == before


def test_without_the_physical_function_all_else_works(lab: Lab) -> None:
    device = "0000:00:05.0"
    lab.tree.vf("", 0, device)
    lab.card.add(device, "ens5", mac="02:f0:00:00:00:09")
    driver, pod = lab.driver(), lab.new_netns()
    request = {"device": DeviceRef(id=device)}
    attachment, result, steps = lab.attach(driver, pod, {}, mac=NEW_MAC, mtu=1400, **request)
    assert (result.mac, result.mtu) == (NEW_MAC, 1400)
    assert not any(step.startswith("vf.") for step in steps)
    assert driver.check(attachment, lab.call()).clean
    driver.detach(attachment, lab.call())
    link = lab.host_link("ens5")
    assert link is not None
    assert (link.mac, link.mtu) == ("02:f0:00:00:00:09", 1500)


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (errno.EADDRNOTAVAIL, Unsupported, "Cannot assign requested address"),
        (errno.EPERM, Unsupported, "Operation not permitted"),
        (errno.EBUSY, Busy, "busy"),
    ],
)
def test_without_the_physical_function_a_refused_mac_is_the_cards_last_word(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, code: int, error: type[SecnetError], words: str
) -> None:
    device, set_link = "0000:00:05.0", Rtnl.set_link
    lab.tree.vf("", 0, device)
    lab.card.add(device, "ens5", mac="02:f0:00:00:00:09")

    def refusing(self: Rtnl, index: int, **fields: Any) -> None:
        if fields.get("mac") == NEW_MAC:
            raise from_errno(code, "setting the address")
        set_link(self, index, **fields)

    # A mock, because it stands for a card that lets only its host change a MAC: a veth takes any.
    monkeypatch.setattr(Rtnl, "set_link", refusing)
    driver = lab.driver()
    attachment = lab.plan(driver, lab.new_netns(), {}, mac=NEW_MAC, device=DeviceRef(id=device))
    with pytest.raises(error, match=words) as raised:
        driver.attach(attachment, lab.call())
    if error is Unsupported:
        assert (raised.value.path, raised.value.subject) == ("mac", "NetworkAttachmentDefinition default/fast")
        assert "trust on" in raised.value.hint
    driver.detach(attachment, lab.call())
    link = lab.host_link("ens5")
    assert link is not None
    assert (link.mac, link.alias) == ("02:f0:00:00:00:09", "")


@pytest.mark.parametrize("options", [{"trust": "on"}, {"vlan": 5}])
def test_a_subfunction_can_do_less_under_the_type_of_both(lab: Lab, options: dict[str, Any]) -> None:
    """Which kind it is was not known when the schema was asked."""
    lab.tree.sf(PF, "mlx5_core.sf.4", 88)
    lab.card.add("mlx5_core.sf.4", "sf0", mac="02:f1:00:00:00:01")
    (asked,) = options
    with pytest.raises(Unsupported, match=f"{asked} cannot be set: a subfunction") as raised:
        lab.plan(lab.driver(), lab.new_netns(), options, device=DeviceRef(id="mlx5_core.sf.4"))
    assert raised.value.path == f"$.{asked}"


def test_a_subfunction_that_refuses_a_mac_says_where_it_is_set(lab: Lab) -> None:
    lab.tree.sf(PF, "mlx5_core.sf.4", 88)
    lab.card.add("mlx5_core.sf.4", "sf0", mac="02:f1:00:00:00:01")
    attachment = lab.plan(lab.driver(), lab.new_netns(), {}, mac=NEW_MAC, device=DeviceRef(id="mlx5_core.sf.4"))
    assert "hw_addr" in mac_refused(attachment, Unsupported("no", hint="none")).hint


def test_a_link_of_another_under_the_name_that_sysfs_gave_is_not_the_devices(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names may be exchanged between the two questions."""
    lab.tree.netdev(VF, "vf0")
    card = Card(lab.tree.root)
    with host_rtnl() as kernel:
        found = kernel.link("vf0")
        assert card.netdev(kernel, VF) == found, "a kernel that does not say"
        assert found is not None
        for parent, expected in ((VF, True), (OTHER_VF, False)):
            link = dataclasses.replace(found, parent_device=parent)
            # A mock, because no link that a test can make has a device under it.
            monkeypatch.setattr(kernel, "link", lambda _, link=link: link)
            assert (card.netdev(kernel, VF) is not None) is expected


def test_without_the_physical_function_its_attributes_are_unsupported_by_name(lab: Lab) -> None:
    device = "0000:00:05.0"
    lab.tree.vf("", 0, device)
    lab.card.add(device, "ens5", mac="02:f0:00:00:00:09")
    driver, pod = lab.driver(), lab.new_netns()
    with pytest.raises(Unsupported, match="vlan, trust cannot be set"):
        lab.plan(driver, pod, {"vlan": 5, "trust": "on"}, device=DeviceRef(id=device))
    # The VLAN of a pool is known only after the plan.
    attachment = driver.plan(lab.request(pod, {}, device=DeviceRef(id=device)), lab.call()).bind(None, 5)
    with pytest.raises(Unsupported, match="vlan cannot be set"):
        driver.attach(attachment, lab.call())
    assert lab.host_link("ens5") is not None


def test_a_priority_without_a_vlan_is_refused_before_any_change(lab: Lab) -> None:
    before = lab.kept()
    driver = lab.driver()
    attachment = lab.plan(driver, lab.new_netns(), {"vlanQoS": 3})
    with pytest.raises(InvalidConfig) as raised:
        driver.attach(attachment, lab.call())
    assert raised.value.path == "$.vlanQoS"
    assert lab.kept() == before


def test_an_untagged_network_writes_no_vlan_where_there_is_none(lab: Lab) -> None:
    lab.card.save(VF, {**lab.card.load(VF), "vf": {**lab.kept(), "vlan": 0}})
    _, _, steps = lab.attach(lab.driver(), lab.new_netns())
    assert "vf.vlan" not in steps


def test_a_device_without_a_driver_or_a_link_is_waited_for(lab: Lab) -> None:
    driver, pod = lab.driver(), lab.new_netns()
    lab.card.set(VF, away=True)
    with pytest.raises(Busy, match="no link on the host"):
        lab.plan(driver, pod)
    lab.tree.unbind(VF)
    with pytest.raises(NotReady, match="no driver"):
        lab.plan(driver, pod)


def test_a_device_of_another_kind_is_refused(lab: Lab) -> None:
    lab.tree.sf(PF, "mlx5_core.sf.4", 88)
    with pytest.raises(Unsupported, match="no virtual function") as raised:
        lab.plan(
            lab.driver(StandInVfDriver), lab.new_netns(), device=DeviceRef(id="mlx5_core.sf.4"), network_type="sriov-vf"
        )
    assert raised.value.path == "$.networkType"


def test_a_device_that_is_no_network_card_is_refused(lab: Lab) -> None:
    (lab.tree.path(VF) / "class").write_text("0x030200\n")
    with pytest.raises(Unsupported, match="no network device") as raised:
        lab.plan(lab.driver(), lab.new_netns())
    assert raised.value.subject == f"device {VF}"


def test_a_request_without_a_device_says_what_to_do(lab: Lab) -> None:
    with pytest.raises(InvalidConfig, match="no device") as raised:
        lab.plan(lab.driver(), lab.new_netns(), device=None)
    assert "resourceName" in raised.value.hint


def test_an_old_name_that_is_taken_gives_another(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    driver, pod = lab.driver(), lab.new_netns()
    attachment, _, _ = lab.attach(driver, pod)
    run_in(None, ["ip", "link", "add", "vf0", "type", "bridge"])
    with caplog.at_level("WARNING"):
        driver.detach(attachment, lab.call())
    assert "its old one, vf0, is taken" in caplog.text
    with host_rtnl() as kernel:
        assert [link.name for link in kernel.links() if link.mac == MAC and link.kind == "veth"] != []
