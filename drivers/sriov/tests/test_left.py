"""What a card does not take back: it holds up nothing, and the next Pod does not have it unasked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from secnet.contract import Attachment, Busy, InvalidConfig, NetworkRef, NotReady, Unsupported
from secnet.linux.rtnl import VirtualFunction
from secnet_conformance.steps import Recorder
from secnet_sriov.attributes import NO_MAC
from secnet_sriov.card import ATTRIBUTES
from secnet_testing.veth_card import StandInCard

from .conftest import MAC, VF
from .test_attach import ALL, NEW_MAC

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Lab

pytestmark = pytest.mark.kernel

NEXT = NetworkRef(namespace="other", name="second")


def values(kept: dict[str, Any]) -> dict[str, Any]:
    """Each attribute as it reads."""
    return {name: read(VirtualFunction(**kept)) for name, read in ATTRIBUTES.items()}


def leave(lab: Lab, *refused: str, options: Any = ALL, **rest: Any) -> Attachment:
    """Attach and detach, and the card does not take these back."""
    driver = lab.driver()
    attachment, _, _ = lab.attach(driver, lab.new_netns(), options, **rest)
    lab.card.set(VF, refuses=list(refused))
    driver.detach(attachment, lab.call())
    return attachment


def edit_prior(lab: Lab, **prior: Any) -> None:
    """Let what was saved of the held device be something that the kernel refuses."""
    (path,) = (lab.folder / "state" / "sriov").rglob("*.json")
    data = json.loads(path.read_text())
    data["attachment"]["prior"] |= prior
    path.write_text(json.dumps(data))


@pytest.mark.parametrize("name", ["vlan", "mac", "spoofchk", "trust", "rate", "linkState"])
def test_one_refused_attribute_keeps_no_other_and_no_device(
    lab: Lab, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    before = values(lab.kept())
    with caplog.at_level("WARNING"):
        leave(lab, name, mac=NEW_MAC, mtu=1400)
    after = values(lab.kept())
    assert after.pop(name) != before.pop(name)
    assert after == before
    link = lab.host_link()
    assert link is not None
    assert (link.mac, link.mtu, link.alias) == (MAC, 1450, "port")
    assert lab.driver().inventory(lab.call()).owned == ()
    (line,) = caplog.messages
    assert line.startswith(f"device {VF}: {name} stays ")
    assert "EOPNOTSUPP" in line
    assert "ip link" in line


def test_the_warning_has_the_old_value_and_the_present(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING"):
        leave(lab, "vlan")
    assert "vlan stays 100/5/802.1q instead of 7/2/802.1q" in caplog.text


def test_what_lets_a_pod_do_harm_is_restored_first(lab: Lab) -> None:
    driver, steps = lab.driver(), Recorder()
    attachment, _, _ = lab.attach(driver, lab.new_netns(), ALL, mac=NEW_MAC)
    driver.detach(attachment, lab.call(steps))
    names = [name for name in steps.names if name.startswith("vf.") or name == "link.mac"]
    assert names == ["vf.trust", "vf.spoofchk", "vf.vlan", "vf.rate", "vf.linkstate", "vf.forget-mac", "link.mac"]


def test_what_may_pass_keeps_the_holding_and_stops_no_other(lab: Lab) -> None:
    before, driver = lab.kept(), lab.driver()
    attachment, _, _ = lab.attach(driver, lab.new_netns(), ALL)

    class CardIsBusy:
        def before(self, name: str, facts: object) -> None:
            if name == "vf.trust":
                raise Busy("the card is busy", hint="wait")

        def after(self, name: str, facts: object, seconds: float) -> None: ...

    with pytest.raises(Busy, match="trust cannot be restored: the card is busy") as raised:
        driver.detach(attachment, lab.call(CardIsBusy()))
    assert (raised.value.subject, raised.value.path) == (f"device {VF}", "")
    assert lab.kept() == {**before, "trust": True}
    assert [item.attachment.key for item in driver.inventory(lab.call()).owned] == [attachment.key]
    driver.detach(attachment, lab.call())
    assert lab.kept() == before
    assert driver.inventory(lab.call()).owned == ()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("trust", {"vlan": 5, "spoofchk": "on"}, "trust on"),
        ("spoofchk", {"vlan": 5, "trust": "on"}, "spoofchk off"),
        ("vlan", {"trust": "off"}, "vlan 100/5/802.1q"),
    ],
)
def test_the_next_pod_does_not_have_it_unasked(lab: Lab, name: str, options: dict[str, Any], words: str) -> None:
    before = lab.kept()
    leave(lab, name)
    driver, pod = lab.driver(), lab.new_netns()
    attachment = lab.plan(driver, pod, options, network=NEXT)
    with pytest.raises(NotReady, match=words) as raised:
        driver.attach(attachment, lab.call())
    assert (raised.value.subject, raised.value.path) == (f"device {VF}", "")
    assert "ip link" in raised.value.hint
    driver.detach(attachment, lab.call())
    lab.card.set(VF, refuses=[])
    again, _, _ = lab.attach(driver, pod, options, network=NEXT)
    now = values(lab.kept())
    assert now[name] == ((0, 0, "802.1q") if name == "vlan" else values(before)[name])
    driver.detach(again, lab.call())
    assert lab.kept() == before
    assert not list((lab.folder / "state").rglob("*.json"))


def test_a_network_that_asks_for_it_has_it(lab: Lab) -> None:
    leave(lab, "trust", "vlan")
    driver = lab.driver()
    attachment, _, steps = lab.attach(driver, lab.new_netns(), {"vlan": 100, "vlanQoS": 5, "trust": "on"})
    assert not {"vf.vlan", "vf.trust"} & set(steps)
    driver.detach(attachment, lab.call())
    with pytest.raises(NotReady, match="trust on"):
        lab.attach(driver, lab.new_netns(), {"vlan": 100, "vlanQoS": 5})


def test_what_separates_no_pods_is_warned_of(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    leave(lab, "rate", "linkState", "mac", mac=NEW_MAC)
    with caplog.at_level("WARNING"):
        lab.attach(lab.driver(), lab.new_netns(), {"vlan": 5})
    assert "rate stays 1/9 instead of 0/0" in caplog.text


@pytest.mark.parametrize("made", [{"vlan": 0, "qos": 0, "trust": False}, {"vlan": 9, "qos": 0, "trust": False}])
def test_it_is_over_when_someone_sets_it_on_the_host(lab: Lab, made: dict[str, Any]) -> None:
    """Or makes the functions again. What the device is then is what it is given back as, and not what it was once."""
    leave(lab, "trust", "vlan")
    lab.card.save(VF, {**lab.card.load(VF), "vf": {**lab.kept(), **made}, "refuses": []})
    before, driver = lab.kept(), lab.driver()
    attachment, _, _ = lab.attach(driver, lab.new_netns(), {"vlan": 5, "trust": "on"})
    driver.detach(attachment, lab.call())
    assert lab.kept() == before
    assert not list((lab.folder / "state").rglob("*.json"))


def test_a_pod_that_ended_with_it_leaves_it_to_no_one(lab: Lab) -> None:
    """The next attach gives the device back first, and finds then what the card keeps."""
    before, driver, pod = lab.kept(), lab.driver(), lab.new_netns()
    lab.attach(driver, pod, {"trust": "on"})
    lab.end(pod)
    lab.card.set(VF, refuses=["trust"])
    other = lab.new_netns()
    attachment = lab.plan(driver, other, {"vlan": 5})
    with pytest.raises(NotReady, match="trust on"):
        driver.attach(attachment, lab.call())
    lab.card.set(VF, refuses=[])
    driver.attach(attachment, lab.call())
    assert lab.kept()["trust"] is False
    driver.detach(attachment, lab.call())
    assert lab.kept() == before


def refuse_no_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many cards take no zeros for a MAC. The stand-in refuses an attribute whole, so it is taught here."""
    real: Callable[..., None] = StandInCard.set_vf

    def set_vf(self: StandInCard, kernel: Any, function: Any, attribute: str, value: Any) -> None:
        if (attribute, value) == ("mac", (NO_MAC,)):
            raise InvalidConfig("setting MAC 00:00:00:00:00:00: Invalid argument (EINVAL)", hint="correct it")
        real(self, kernel, function, attribute, value)

    monkeypatch.setattr(StandInCard, "set_vf", set_vf)


def test_a_card_that_must_have_a_mac_gets_its_own(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuse_no_mac(monkeypatch)
    before = lab.kept()
    with caplog.at_level("WARNING"):
        leave(lab, mac=NEW_MAC)
    assert lab.kept() == {**before, "mac": MAC}
    link = lab.host_link()
    assert link is not None
    assert link.mac == MAC
    assert caplog.messages == []
    lab.attach(lab.driver(), lab.new_netns(), {"vlan": 5}, network=NEXT)


def test_what_is_taken_and_does_not_read_back_keeps_no_device(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The stand-in does what it is set to, so it is made to ignore it."""
    driver = lab.driver()
    attachment, _, _ = lab.attach(driver, lab.new_netns(), {"trust": "on"})
    monkeypatch.setattr(StandInCard, "set_vf", lambda *_: None)
    driver.detach(attachment, lab.call())
    assert f"device {VF}: trust stays on instead of off: trust of {VF} reads back as on" in caplog.text
    assert driver.inventory(lab.call()).owned == ()
    with pytest.raises(NotReady, match="trust on"):
        lab.attach(driver, lab.new_netns())


def test_an_mtu_that_is_refused_keeps_no_device(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    driver = lab.driver()
    attachment, _, _ = lab.attach(driver, lab.new_netns(), mtu=1400)
    edit_prior(lab, mtu=70000)  # as much too large as the old one is once the physical function's was lowered
    with caplog.at_level("WARNING"):
        driver.detach(attachment, lab.call())
    assert f"device {VF}: the link vf0 keeps the MTU 1400 instead of 70000" in caplog.text
    link = lab.host_link()
    assert link is not None
    assert (link.mtu, link.alias) == (1400, "port")
    _, result, _ = lab.attach(driver, lab.new_netns())
    assert result.mtu == 1400


def test_an_mtu_that_no_one_asked_for_is_planned_again(lab: Lab) -> None:
    driver, pod = lab.driver(), lab.new_netns()
    lab.attach(driver, pod, mtu=1400)
    lab.end(pod)
    edit_prior(lab, mtu=70000)
    other = lab.new_netns()
    attachment = lab.plan(driver, other)
    with pytest.raises(NotReady, match="MTU 70000") as raised:
        driver.attach(attachment, lab.call())
    assert (raised.value.subject, raised.value.path) == (f"device {VF}", "")
    driver.detach(attachment, lab.call())
    _, result, _ = lab.attach(driver, other)
    assert result.mtu != 70000


def test_a_driver_that_was_just_bound_is_unbound_to_restart(lab: Lab) -> None:
    """A multicast address is one that each link refuses."""
    lab.card.set(VF, reverts=MAC)
    driver, steps = lab.driver(), Recorder()
    attachment, _, _ = lab.attach(driver, lab.new_netns(), mac=NEW_MAC)
    edit_prior(lab, mac="01:00:5e:00:00:01")
    driver._tools.card.functions.unbind(VF, "igbvf")
    driver.detach(attachment, lab.call(steps))
    assert [name for name in steps.names if name.startswith("driver.")] == [
        "driver.bind",
        "driver.unbind",
        "driver.bind",
    ]


@pytest.mark.parametrize("name", ["trust", "spoofchk"])
def test_what_the_driver_does_not_report_is_refused_before_any_change(lab: Lab, name: str) -> None:
    lab.card.save(VF, {**lab.card.load(VF), "vf": {**lab.kept(), name: None}})
    before, driver = lab.kept(), lab.driver()
    attachment = lab.plan(driver, lab.new_netns(), {"vlan": 5, name: "on"})
    steps = Recorder()
    with pytest.raises(Unsupported, match=f"does not say what {name}") as raised:
        driver.attach(attachment, lab.call(steps))
    assert raised.value.path == f"$.{name}"
    assert steps.names == ["device.hold"]
    assert lab.kept() == before
